#include "host/process.h"

#include "host/text.h"

namespace inference_health::host {

Reason parse_process_stat(std::string_view text, ProcessStat& stat) {
  // The second field is the process's own title in parentheses and may hold blanks, parentheses and newlines.
  const auto title_end = text.rfind(')');
  if (title_end == std::string_view::npos) return Reason::malformed;
  auto rest = text.substr(title_end + 1);
  auto line = take_line(rest);

  constexpr int kFirst = 3, kUser = 14, kSystem = 15, kThreads = 20, kStart = 22;  // numbering of proc(5)
  for (int number = kFirst; number <= kStart; ++number) {
    const auto field = take_field(line);
    double* into = number == kUser      ? &stat.user_ticks
                   : number == kSystem  ? &stat.system_ticks
                   : number == kThreads ? &stat.threads
                   : number == kStart   ? &stat.start_ticks
                                        : nullptr;
    if (field.empty()) return Reason::malformed;
    if (into == nullptr) continue;
    const auto value = parse_unsigned(field);
    if (!value) return Reason::malformed;
    *into = static_cast<double>(*value);
  }
  return Reason::ok;
}

Reason parse_loadavg(std::string_view text, LoadAverage& load) {
  auto line = take_line(text);
  const auto one = parse_decimal(take_field(line));
  const auto five = parse_decimal(take_field(line));
  const auto fifteen = parse_decimal(take_field(line));
  if (!one || !five || !fifteen) return Reason::malformed;
  load = {*one, *five, *fifteen};
  return Reason::ok;
}

Reason parse_uptime(std::string_view text, double& seconds) {
  auto line = take_line(text);
  const auto value = parse_decimal(take_field(line));
  if (!value) return Reason::malformed;
  seconds = *value;
  return Reason::ok;
}

Reason parse_open_files_limit(std::string_view text, double& limit) {
  constexpr std::string_view kName = "Max open files";
  while (!text.empty()) {
    auto line = take_line(text);
    if (!line.starts_with(kName)) continue;
    line.remove_prefix(kName.size());
    const auto soft = take_field(line);
    if (soft == "unlimited") return Reason::unlimited;
    const auto value = parse_unsigned(soft);
    if (!value) return Reason::malformed;
    limit = static_cast<double>(*value);
    return Reason::ok;
  }
  return Reason::malformed;
}

}  // namespace inference_health::host
