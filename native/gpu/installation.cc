#include "gpu/installation.h"

#include <stdlib.h>

#include <cstring>

namespace inference_health::gpu {

using nvml::kSuccess;

bool Installation::load() {
  if (library_ != nullptr) return true;
  auto& driver = context_.driver;
  driver.timed<Symbol::load_library>(-1, [&] {
    library_ = load_library(context_.options.library);
    return library_ != nullptr ? kSuccess : nvml::kLibraryNotFound;
  });
  if (driver.is_abandoned() || library_ == nullptr) return false;
  driver.use(*library_);
  for (std::size_t i = 0; i < kSymbols; ++i) context_.session.block.calls[i].available.store(library_->has(i));
  auto& path = context_.texts.library_path;
  std::strncpy(path, library_->path().c_str(), sizeof path - 1);
  return true;
}

DriverFiles Installation::read_files() {
  DriverFiles files;
  context_.driver.timed<Symbol::driver_files>(-1, [&] {
    files = read_driver_files(context_.options.root);
    return kSuccess;
  });
  auto& lane = context_.lane;
  lane.set(GpuField::deviceAccess, files.control == DeviceNode::missing ? kAbsent : files.control == DeviceNode::usable);
  const auto library = library_ == nullptr ? std::string_view{} : library_version(installed_library());
  const bool is_known = !library.empty() && !files.kernel_version.empty();
  lane.set(GpuField::versionMismatch, is_known ? double(library != files.kernel_version) : kAbsent);
  return files;
}

/// What the library's name leads to now: an upgrade moves the link under a process that goes on with the old one.
std::string_view Installation::installed_library() {
  char* resolved = realpath(library_->link().c_str(), nullptr);
  installed_ = resolved != nullptr ? resolved : library_->path();
  free(resolved);
  return installed_;
}

void Installation::read_versions() {
  auto& driver = context_.driver;
  auto& texts = context_.texts;
  driver.call<Symbol::driver_version>(-1, texts.driver_version, std::uint32_t{sizeof texts.driver_version});
  driver.call<Symbol::nvml_version>(-1, texts.nvml_version, std::uint32_t{sizeof texts.nvml_version});
  texts.driver_version[sizeof texts.driver_version - 1] = texts.nvml_version[sizeof texts.nvml_version - 1] = '\0';
  // The plain form first: the other loads libcuda into the process.
  int version = 0;
  if (driver.call<Symbol::cuda_version>(-1, &version) == kSuccess ||
      driver.call<Symbol::cuda_version_v2>(-1, &version) == kSuccess)
    context_.lane.set(GpuField::cudaVersion, version);
}

}  // namespace inference_health::gpu
