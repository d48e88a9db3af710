#include "host/text.h"

#include <charconv>

namespace inference_health::host {

namespace {

constexpr std::string_view kBlanks = " \t";

}  // namespace

std::string_view take_line(std::string_view& text) {
  const auto end = text.find('\n');
  const auto line = text.substr(0, end);
  text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
  return line;
}

std::string_view take_field(std::string_view& line) {
  const auto begin = line.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) {
    line = {};
    return {};
  }
  const auto end = line.find_first_of(kBlanks, begin);
  const auto field = line.substr(begin, end == std::string_view::npos ? end : end - begin);
  line = end == std::string_view::npos ? std::string_view{} : line.substr(end);
  return field;
}

std::optional<std::uint64_t> parse_unsigned(std::string_view text) {
  std::uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || error != std::errc{} || stop != end) return std::nullopt;
  return value;
}

std::optional<double> parse_decimal(std::string_view text) {
  const auto point = text.find('.');
  const auto whole = parse_unsigned(text.substr(0, point));
  if (!whole) return std::nullopt;
  const auto value = static_cast<double>(*whole);
  if (point == std::string_view::npos) return value;

  const auto digits = text.substr(point + 1);
  const auto fraction = parse_unsigned(digits);
  if (!fraction) return std::nullopt;
  double scale = 1;
  for (std::size_t i = 0; i < digits.size(); ++i) scale *= 10;
  // One division: 3.78 comes out as the nearest double, as it does everywhere else.
  return (value * scale + static_cast<double>(*fraction)) / scale;
}

std::optional<std::uint64_t> find_number(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    auto line = take_line(text);
    if (!line.starts_with(key)) continue;
    line.remove_prefix(key.size());
    if (line.empty() || kBlanks.find(line.front()) == std::string_view::npos) continue;
    return parse_unsigned(take_field(line));
  }
  return std::nullopt;
}

}  // namespace inference_health::host
