#include "host/memory.h"

#include "host/text.h"

namespace inference_health::host {

namespace {

constexpr double kKibibyte = 1024;

bool take_kibibytes(std::string_view line, std::string_view key, double& bytes) {
  if (!line.starts_with(key)) return true;
  line.remove_prefix(key.size());
  const auto value = parse_unsigned(take_field(line));
  if (!value) return false;
  bytes = static_cast<double>(*value) * kKibibyte;
  return true;
}

}  // namespace

Reason parse_meminfo(std::string_view text, MemoryInfo& info) {
  info = {};
  while (!text.empty()) {
    const auto line = take_line(text);
    if (!take_kibibytes(line, "MemTotal:", info.total) || !take_kibibytes(line, "MemAvailable:", info.available) ||
        !take_kibibytes(line, "SwapTotal:", info.swap_total) || !take_kibibytes(line, "SwapFree:", info.swap_free)) {
      info = {};
      return Reason::malformed;
    }
    // Half of the file comes after the last line of interest.
    if (info.swap_free == info.swap_free) break;
  }
  if (!(info.total > 0)) {
    info = {};
    return Reason::malformed;
  }
  return info.available == info.available ? Reason::ok : Reason::missing;
}

Reason parse_statm(std::string_view text, double page_bytes, ProcessMemory& memory) {
  auto line = take_line(text);
  take_field(line);  // size of the address space: says nothing about memory in use
  const auto rss = parse_unsigned(take_field(line));
  const auto shared = parse_unsigned(take_field(line));
  if (!rss || !shared) return Reason::malformed;
  memory = {static_cast<double>(*rss) * page_bytes, static_cast<double>(*shared) * page_bytes};
  return Reason::ok;
}

}  // namespace inference_health::host
