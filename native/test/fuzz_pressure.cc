#include "fuzz.h"
#include "host/pressure.h"

using namespace inference_health;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  host::Pressure pressure;
  if (host::parse_pressure(test::text_of(data, size), pressure) == Reason::ok) {
    test::expect(pressure.some.avg10 >= 0 && pressure.some.avg10 <= 100);
    test::expect(pressure.some.avg60 >= 0 && pressure.some.avg60 <= 100);
    test::expect(pressure.some.total_us >= 0);
    test::expect(!(pressure.full.avg10 < 0) && !(pressure.full.avg10 > 100));
  } else {
    test::expect(std::isnan(pressure.some.avg10) && std::isnan(pressure.full.avg10));
  }
  return 0;
}
