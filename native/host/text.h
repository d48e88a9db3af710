// Cutting the text that the kernel prints. Nothing here allocates, throws or reads beyond its view.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace inference_health::host {

/// Removes and returns the first line of `text`, without its newline.
std::string_view take_line(std::string_view& text);

/// Removes and returns the first run of non-blank characters; empty at the end of the line.
std::string_view take_field(std::string_view& line);

/// Digits only, the whole view; none for anything else or for more than 64 bits.
std::optional<std::uint64_t> parse_unsigned(std::string_view text);

/// "12", "12.34": the decimals that the kernel prints (no sign, no exponent), independent of the locale.
std::optional<double> parse_decimal(std::string_view text);

/// The number behind `key` in a text of "key value" lines.
std::optional<std::uint64_t> find_number(std::string_view text, std::string_view key);

}  // namespace inference_health::host
