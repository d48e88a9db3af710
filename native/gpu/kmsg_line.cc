#include "gpu/kmsg_line.h"

#include <algorithm>
#include <charconv>
#include <cctype>

#include "host/text.h"

namespace inference_health::gpu {
namespace {

using host::parse_unsigned;

bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

void skip_blanks(std::string_view& text) { text.remove_prefix(std::min(text.find_first_not_of(' '), text.size())); }

std::optional<std::uint32_t> take_number(std::string_view& text, int base, std::size_t max_digits) {
  std::uint32_t value = 0;
  const auto* end = text.data() + std::min(text.size(), max_digits);
  const auto [stop, error] = std::from_chars(text.data(), end, value, base);
  if (error != std::errc{} || stop == text.data()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(stop - text.data()));
  return value;
}

/// "0000:3b:00" or "00000000:3B:00", with or without ".0".
bool take_bus_id(std::string_view& text, Address& at) {
  auto rest = text;
  const auto digits = rest.find(':');
  if (digits < 4 || digits > 8 || digits == std::string_view::npos) return false;
  const auto domain = take_number(rest, 16, digits);
  if (!domain || !take(rest, ":")) return false;
  const auto bus = take_number(rest, 16, 2);
  if (!bus || !take(rest, ":")) return false;
  const auto device = take_number(rest, 16, 2);
  if (!device || *device > 31) return false;
  if (take(rest, ".") && !take_number(rest, 8, 1)) return false;
  at.domain = *domain;
  at.bus = *bus;
  at.device = *device;
  text = rest;
  return true;
}

bool is_equal_ignoring_case(std::string_view left, std::string_view right) {
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [](unsigned char a, unsigned char b) { return std::tolower(a) == std::tolower(b); });
}

std::size_t find_ignoring_case(std::string_view text, std::string_view word) {
  for (std::size_t i = 0; i + word.size() <= text.size(); ++i)
    if (is_equal_ignoring_case(text.substr(i, word.size()), word)) return i;
  return std::string_view::npos;
}

bool says(std::string_view text, std::string_view word) { return find_ignoring_case(text, word) != std::string_view::npos; }

std::optional<std::uint32_t> hex_after(std::string_view text, std::string_view key) {
  const auto at = text.find(key);
  if (at == std::string_view::npos) return std::nullopt;
  text.remove_prefix(at + key.size());
  return take_number(text, 16, 8);
}

/// "changed from 0x0 (None) to 0x1 (GPU Reset Required)"
void read_action(std::string_view text, XidDetail& detail) { detail.to_action = hex_after(text, " to 0x"); }

void read_reset_flag(std::string_view text, XidDetail& detail) {
  // "D-RST:" is another flag and holds the same letters.
  for (std::size_t at = 0; (at = text.find("RST:", at)) != std::string_view::npos; at += 4) {
    if (at >= 2 && text.substr(at - 2, 2) == "D-") continue;
    auto value = text.substr(at + 4);
    skip_blanks(value);
    if (value.starts_with("Yes")) detail.reset_flag = true;
    if (value.starts_with("No")) detail.reset_flag = false;
    return;
  }
}

/// "RLW_SRC_TRACK Nonfatal XC1 i0 Link 17 (0x04084507 0x00000004 …"
void read_nvlink(std::string_view text, XidDetail& detail) {
  auto rest = text;
  const auto unit = host::take_field(rest);
  for (std::size_t i = 1; i < std::size(kNvlinkUnits); ++i)
    if (unit.starts_with(kNvlinkUnits[i])) detail.nvlink_unit = static_cast<std::uint32_t>(i);
  detail.severity = says(text, "nonfatal") || says(text, "non-fatal")      ? 1
                    : says(text, "link fatal") || says(text, "link-fatal") ? 3
                    : says(text, "fatal")                                  ? 2
                                                                           : 0;
  const auto bracket = text.find('(');
  if (bracket == std::string_view::npos) return;
  auto words = text.substr(bracket + 1);
  if (!take(words, "0x")) return;
  detail.nvlink_intr_info = take_number(words, 16, 8).value_or(0);
  skip_blanks(words);
  if (take(words, "0x")) detail.nvlink_error_status = take_number(words, 16, 8).value_or(0);
}

/// What follows the number: "pid=1234, name=python3, …"; older and newer drivers write an unknown pid in two ways.
void read_pid(std::string_view& text, XidDetail& detail) {
  skip_blanks(text);
  if (!take(text, "pid=")) return;
  if (const auto pid = take_number(text, 10, 10); pid && *pid != 0) detail.pid = *pid;
  const auto end = text.find(',');
  text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
  skip_blanks(text);
}

/// "(PCI:0000:01:00 GPU-I:05 GPU-CI:00): 94, …"
bool read_head(std::string_view& text, KmsgFault& fault) {
  if (!take(text, "(")) return false;
  take(text, "PCI:");
  if (!take_bus_id(text, fault.at)) return false;
  if (take(text, " GPU-I:")) {
    const auto instance = take_number(text, 16, 4);
    if (!instance) return false;
    fault.at.gpu_instance = std::min(*instance, Address::kNoInstance);
  }
  if (take(text, " GPU-CI:")) {
    const auto instance = take_number(text, 16, 4);
    if (!instance) return false;
    fault.at.compute_instance = std::min(*instance, Address::kNoInstance);
  }
  if (!take(text, "): ")) return false;
  const auto number = take_number(text, 10, 10);
  if (!number || *number > 0xffff) return false;
  // "79x" is no number.
  if (!text.empty() && text.front() != ',' && text.front() != ' ') return false;
  take(text, ",");
  fault.number = *number;
  return true;
}

KmsgFault read_xid(std::string_view text) {
  KmsgFault fault;
  if (!read_head(text, fault)) return {};
  fault.kind = KmsgKind::xid;
  read_pid(text, fault.detail);
  if (fault.number == 154) read_action(text, fault.detail);
  if (fault.number == 94 || fault.number == 95) read_reset_flag(text, fault.detail);
  if (fault.number >= 144 && fault.number <= 150) read_nvlink(text, fault.detail);
  return fault;
}

KmsgFault read_sxid(std::string_view text) {
  KmsgFault fault;
  if (!read_head(text, fault)) return {};
  fault.kind = KmsgKind::sxid;
  fault.detail.severity = says(text, "non-fatal") ? 1 : says(text, "fatal") ? 2 : 0;
  return fault;
}

/// "GPU 0000:18:00.0: GPU has fallen off the bus.", "The NVIDIA GPU 0000:18:00.0\x0a…fallen off the bus"
KmsgFault read_fallen(std::string_view text) {
  KmsgFault fault;
  for (std::size_t at = 0; (at = text.find("GPU ", at)) != std::string_view::npos;) {
    at += 4;
    auto rest = text.substr(at);
    take(rest, "at ");
    take(rest, "PCI:");
    if (!take_bus_id(rest, fault.at)) continue;
    fault.kind = KmsgKind::fallen_off_bus;
    fault.number = 79;
    return fault;
  }
  return {};
}

}  // namespace

std::optional<KmsgRecord> parse_kmsg_record(std::string_view line) {
  if (line.empty() || line.front() == ' ') return std::nullopt;
  const auto semicolon = line.find(';');
  if (semicolon == std::string_view::npos) return std::nullopt;
  auto head = line.substr(0, semicolon);
  std::uint64_t numbers[3];
  for (auto& number : numbers) {
    const auto comma = head.find(',');
    const auto value = parse_unsigned(head.substr(0, comma));
    if (!value) return std::nullopt;
    number = *value;
    head = comma == std::string_view::npos ? std::string_view{} : head.substr(comma + 1);
  }
  return KmsgRecord{numbers[1], numbers[2], line.substr(semicolon + 1)};
}

KmsgFault parse_kmsg_text(std::string_view text) {
  if (const auto at = text.find("SXid "); at != std::string_view::npos && text.find("nvswitch") < at)
    return read_sxid(text.substr(at + 5));
  const auto nvrm = text.find("NVRM: ");
  if (nvrm == std::string_view::npos) return {};
  auto rest = text.substr(nvrm + 6);
  if (take(rest, "Xid ")) return read_xid(rest);
  if (rest.find("fallen off the bus") != std::string_view::npos) return read_fallen(rest);
  if (rest.find("GPU is probably locked") != std::string_view::npos) {
    KmsgFault fault;
    fault.kind = KmsgKind::watchdog;
    return fault;
  }
  return {};
}

}  // namespace inference_health::gpu
