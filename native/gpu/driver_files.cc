#include "gpu/driver_files.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <span>

#include "host/text.h"

namespace inference_health::gpu {
namespace {

constexpr std::string_view kDigits = "0123456789.";

bool is_version(std::string_view word) {
  return word.find('.') != std::string_view::npos && word.find_first_not_of(kDigits) == std::string_view::npos &&
         word.front() != '.' && word.back() != '.';
}

std::string_view read_text(const std::string& path, std::span<char> buffer) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return {};
  const auto length = read(fd, buffer.data(), buffer.size());
  close(fd);
  return length > 0 ? std::string_view(buffer.data(), static_cast<std::size_t>(length)) : std::string_view{};
}

DeviceNode probe_node(const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd >= 0) {
    close(fd);
    return DeviceNode::usable;
  }
  return errno == EPERM || errno == EACCES ? DeviceNode::refused : DeviceNode::missing;
}

}  // namespace

std::string_view parse_kernel_version(std::string_view text) {
  auto line = host::take_line(text);
  if (!line.starts_with("NVRM version:")) return {};
  for (auto word = host::take_field(line); !word.empty(); word = host::take_field(line))
    if (is_version(word)) return word;
  return {};
}

std::string_view library_version(std::string_view path) {
  const auto at = path.rfind(".so.");
  if (at == std::string_view::npos) return {};
  const auto version = path.substr(at + 4);
  return !version.empty() && is_version(version) ? version : std::string_view{};
}

DriverFiles read_driver_files(std::string_view root) {
  if (root == "/") root = {};
  const std::string prefix(root);
  DriverFiles files;
  std::array<char, 512> buffer;
  files.kernel_version = parse_kernel_version(read_text(prefix + "/proc/driver/nvidia/version", buffer));
  struct stat info;
  files.module_loaded = !files.kernel_version.empty() || stat((prefix + "/sys/module/nvidia").c_str(), &info) == 0;
  files.control = probe_node(prefix + "/dev/nvidiactl");
  return files;
}

NoneReason reason_of_failure(nvml::Return code, const DriverFiles& files) {
  if (code == nvml::kVersionMismatch) return NoneReason::version_mismatch;
  if (files.control == DeviceNode::refused) return NoneReason::access_lost;
  if (code == nvml::kDriverNotLoaded || code == nvml::kUninitialized || code == nvml::kGpuNotFound) {
    return files.module_loaded && files.control == DeviceNode::missing ? NoneReason::no_device_nodes
                                                                      : NoneReason::driver_not_loaded;
  }
  return NoneReason::init_failed;
}

}  // namespace inference_health::gpu
