// What the file system says about the driver, without NVML: why there is none, and whether a restart would still find it.
#pragma once

#include <string>
#include <string_view>

#include "gpu/nvml_abi.h"
#include "snapshot/gpu_layout.h"

namespace inference_health::gpu {

enum class DeviceNode { missing, refused, usable };

struct DriverFiles {
  bool module_loaded = false;  // /proc/driver/nvidia/version or /sys/module/nvidia exists
  DeviceNode control = DeviceNode::missing;
  std::string kernel_version;  // "535.104.05", empty when unknown
  bool operator==(const DriverFiles&) const = default;
};

/// Opens /dev/nvidiactl and reads /proc under `root`: both enter the driver and can block as it can.
DriverFiles read_driver_files(std::string_view root);

/// The version in "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat …"; empty without one.
std::string_view parse_kernel_version(std::string_view text);

/// The version behind ".so." in the resolved name of the library; empty without one.
std::string_view library_version(std::string_view path);

/// Why the library's initialisation failed with `code`.
NoneReason reason_of_failure(nvml::Return code, const DriverFiles& files);

}  // namespace inference_health::gpu
