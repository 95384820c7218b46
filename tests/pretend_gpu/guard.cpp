// Lets a PyTorch that was built without CUDA accept tensors that say they lie on a CUDA device.
//
// Before it enters an operator, PyTorch asks a "device guard" to make the operator's device the
// current one, and a CPU build has none for CUDA. This one does nothing and knows one device.
#include <c10/core/impl/DeviceGuardImplInterface.h>

namespace {

constexpr auto kKind = c10::DeviceType::CUDA;

class OneDevice final : public c10::impl::NoOpDeviceGuardImpl<kKind> {
 public:
  c10::Device getDevice() const override { return {kKind, 0}; }
  c10::Device exchangeDevice(c10::Device /*wanted*/) const override { return {kKind, 0}; }
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }
};

C10_REGISTER_GUARD_IMPL(CUDA, OneDevice);

}  // namespace
