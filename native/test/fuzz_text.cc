#include "fuzz.h"
#include "host/text.h"

using namespace inference_health;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto whole = test::text_of(data, size);
  auto text = whole;
  while (!text.empty()) {
    const auto before = text.size();
    auto line = host::take_line(text);
    test::expect(text.size() < before);
    for (auto field = host::take_field(line); !field.empty(); field = host::take_field(line)) {
      test::expect(field.find_first_of(" \t\n") == std::string_view::npos);
      const auto decimal = host::parse_decimal(field);
      test::expect(!decimal || *decimal >= 0);
      if (host::parse_unsigned(field)) test::expect(decimal.has_value());
      host::find_number(whole, field);
    }
  }
  return 0;
}
