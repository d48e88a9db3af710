// The GPUs and MIG devices of this host by UUID, remembered: indices move when a GPU vanishes, and one that is gone is a
// fault that only someone who knew it can see.
#pragma once

#include <array>
#include <cstddef>

#include "gpu/driver_calls.h"

namespace inference_health::gpu {

struct GpuDevice {
  Texts::Gpu texts{};
  Address address;
  nvml::Device handle = nullptr;  // null: the driver does not list it now
  bool is_mig = false;
  std::int32_t parent = -1;
  std::int32_t index = -1;
  bool is_present = false;
  bool is_lost = false;
  /// The replacement of a stuck thread keeps away from the GPU that it got stuck on.
  bool is_excluded = false;
  double lost_since_ms = 0, looked_for_at_ms = 0;
  double quiet_until_ms = 0;
  std::array<double, kSampledFields> row;

  double& operator[](GpusField field) { return row[static_cast<std::size_t>(field)]; }
};

class Inventory {
 public:
  /// Lists what the driver has now and takes new handles; answers the first error that concerns all GPUs. Sets `changed`
  /// when handles or devices differ from before.
  nvml::Return enumerate(DriverCalls& driver, double now_ms, bool& changed);

  /// Looks a lost GPU up again by its UUID; true when the driver gave a handle.
  bool find_again(DriverCalls& driver, std::size_t slot);

  void set_lost(std::size_t slot, nvml::Return code, double now_ms);
  void set_returned(std::size_t slot, double now_ms);

  /// No handle is valid any more; what is known of the devices stays.
  void forget_handles();

  /// Takes the devices over from what another thread has published.
  void restore(const Lane& lane);
  void publish_texts(Lane& lane, Texts& texts) const;
  void publish_row(Lane& lane, std::size_t slot);

  std::size_t size() const { return size_; }
  GpuDevice& operator[](std::size_t slot) { return devices_[slot]; }
  const GpuDevice& operator[](std::size_t slot) const { return devices_[slot]; }
  /// GPUs that the driver lists, MIG devices not counted; and all that it ever listed.
  std::size_t present_gpus() const;
  std::size_t known_gpus() const;

 private:
  std::int32_t slot_of(DriverCalls& driver, nvml::Device handle, bool is_mig, std::int32_t parent, bool& changed);
  void enumerate_mig(DriverCalls& driver, std::int32_t parent, bool& changed, bool (&seen)[kMaxGpus]);

  std::array<GpuDevice, kMaxGpus> devices_;
  std::size_t size_ = 0;
};

}  // namespace inference_health::gpu
