#include "host/pressure.h"

#include "host/text.h"

namespace inference_health::host {

namespace {

bool parse_line(std::string_view line, PressureLine& into) {
  while (true) {
    const auto field = take_field(line);
    if (field.empty()) break;
    const auto equals = field.find('=');
    if (equals == std::string_view::npos) return false;
    const auto key = field.substr(0, equals);
    const auto value = parse_decimal(field.substr(equals + 1));
    if (!value) return false;
    if (key == "avg10") into.avg10 = *value;
    if (key == "avg60") into.avg60 = *value;
    if (key == "total") into.total_us = *value;
  }
  return into.avg10 <= 100 && into.avg60 <= 100 && into.total_us >= 0;
}

}  // namespace

Reason parse_pressure(std::string_view text, Pressure& pressure) {
  pressure = {};
  bool has_some = false;
  while (!text.empty()) {
    auto line = take_line(text);
    const auto kind = take_field(line);
    const bool is_some = kind == "some";
    if (!is_some && kind != "full") continue;
    if (!parse_line(line, is_some ? pressure.some : pressure.full)) {
      pressure = {};
      return Reason::malformed;
    }
    has_some = has_some || is_some;
  }
  if (has_some) return Reason::ok;
  pressure = {};
  return Reason::malformed;
}

}  // namespace inference_health::host
