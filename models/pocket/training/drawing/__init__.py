"""Drawing of the pocket model's pictures: canvas, colours, objects, letters, camera."""
