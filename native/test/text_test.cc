#include "host/text.h"

#include "test.h"

namespace inference_health::host {

TEST("a line ends at its newline or at the end of the text") {
  std::string_view text = "a\n\nb";
  CHECK_EQUAL(take_line(text), "a");
  CHECK_EQUAL(take_line(text), "");
  CHECK_EQUAL(take_line(text), "b");
  CHECK(text.empty());
  CHECK_EQUAL(take_line(text), "");
}

TEST("fields are separated by any number of blanks and tabs") {
  std::string_view line = "  one \t two ";
  CHECK_EQUAL(take_field(line), "one");
  CHECK_EQUAL(take_field(line), "two");
  CHECK_EQUAL(take_field(line), "");
}

TEST("a number is digits only and fits into 64 bits") {
  CHECK_EQUAL(parse_unsigned("18446744073709551615").value_or(0), UINT64_MAX);
  for (const auto text : {"", "-1", "+1", "1 ", " 1", "1x", "0x1", "18446744073709551616", "1.0"}) {
    CHECK(!parse_unsigned(text));
  }
}

TEST("a decimal has digits on both sides of its point") {
  CHECK_EQUAL(parse_decimal("0.19").value_or(-1), 0.19);
  CHECK_EQUAL(parse_decimal("3.78").value_or(-1), 3.78);
  CHECK_EQUAL(parse_decimal("922").value_or(-1), 922.0);
  for (const auto text : {"", ".", "1.", ".5", "-0.1", "1e3", "1,5", "nan", "1.2.3"}) CHECK(!parse_decimal(text));
}

TEST("a key is found only as a whole word") {
  constexpr std::string_view text = "oom_kill_disable 0\nunder_oom 1\noom 2\noom_kill 3\n";
  CHECK_EQUAL(find_number(text, "oom").value_or(99), 2u);
  CHECK_EQUAL(find_number(text, "oom_kill").value_or(99), 3u);
  CHECK(!find_number(text, "oo"));
  CHECK(!find_number("oom\n", "oom"));
}

}  // namespace inference_health::host
