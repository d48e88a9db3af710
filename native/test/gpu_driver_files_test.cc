#include "gpu/driver_files.h"

#include "fake_tree.h"
#include "test.h"

namespace inference_health::gpu {

TEST("the kernel module's version is read from all forms of its line") {
  CHECK_EQUAL(parse_kernel_version("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023\nGCC version: 12"),
              "535.104.05");
  CHECK_EQUAL(parse_kernel_version("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  595.45.04  Release Build\n"), "595.45.04");
  CHECK_EQUAL(parse_kernel_version("NVRM version: NVIDIA UNIX aarch64 Kernel Module  610.57  x"), "610.57");
  CHECK_EQUAL(parse_kernel_version("something 1.2"), "");
  CHECK_EQUAL(parse_kernel_version("NVRM version: none"), "");
}

TEST("a library's version is in its resolved name") {
  CHECK_EQUAL(library_version("/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.535.104.05"), "535.104.05");
  CHECK_EQUAL(library_version("/usr/lib/libnvidia-ml.so.1"), "");
  CHECK_EQUAL(library_version("/usr/lib/libnvidia-ml.so."), "");
  CHECK_EQUAL(library_version(""), "");
}

TEST("reasons for no GPU are told apart") {
  test::FakeTree tree;
  const auto reason = [&](nvml::Return code) { return reason_of_failure(code, read_driver_files(tree.root())); };
  CHECK_EQUAL(reason(nvml::kDriverNotLoaded), NoneReason::driver_not_loaded);
  tree.write("/proc/driver/nvidia/version", "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  x\n");
  CHECK_EQUAL(reason(nvml::kDriverNotLoaded), NoneReason::no_device_nodes);
  tree.write("/dev/nvidiactl", "");
  CHECK_EQUAL(reason(nvml::kDriverNotLoaded), NoneReason::driver_not_loaded);
  CHECK_EQUAL(reason(nvml::kUnknown), NoneReason::init_failed);
  CHECK_EQUAL(reason(nvml::kVersionMismatch), NoneReason::version_mismatch);
  const auto files = read_driver_files(tree.root());
  CHECK_EQUAL(files.kernel_version, "535.104.05");
  CHECK_EQUAL(files.control, DeviceNode::usable);
  DriverFiles refused = files;
  refused.control = DeviceNode::refused;
  CHECK_EQUAL(reason_of_failure(nvml::kUnknown, refused), NoneReason::access_lost);
  CHECK_EQUAL(reason_of_failure(nvml::kOperatingSystem, refused), NoneReason::access_lost);
}

}  // namespace inference_health::gpu
