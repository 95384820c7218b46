"""Drivers: camera, microphone, player, speech process. No other room imports a device."""
