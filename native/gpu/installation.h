// What of the driver is installed: its library, loaded once, and its files, which change under a process that goes on.
#pragma once

#include <string>
#include <string_view>

#include "gpu/driver_files.h"
#include "gpu/worker_context.h"

namespace inference_health::gpu {

class Installation {
 public:
  explicit Installation(WorkerContext& context) : context_(context) {}

  /// Loads the library, unless it is. False: there is none, or the thread was given up meanwhile.
  bool load();
  bool is_loaded() const { return library_ != nullptr; }

  /// Looks at the files now, and publishes what they say of the devices and of the versions.
  DriverFiles read_files();
  /// Asks the initialised library for the versions.
  void read_versions();

 private:
  std::string_view installed_library();

  WorkerContext& context_;
  const Library* library_ = nullptr;
  std::string installed_;
};

}  // namespace inference_health::gpu
