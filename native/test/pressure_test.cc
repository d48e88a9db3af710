#include "host/pressure.h"

#include "test.h"

namespace inference_health::host {

TEST("pressure has a line for some and one for all tasks") {
  Pressure pressure;
  CHECK_EQUAL(parse_pressure("some avg10=12.50 avg60=3.10 avg300=1.00 total=991122\n"
                             "full avg10=0.25 avg60=0.00 avg300=0.00 total=7\n",
                             pressure),
              Reason::ok);
  CHECK_EQUAL(pressure.some.avg10, 12.5);
  CHECK_EQUAL(pressure.some.avg60, 3.1);
  CHECK_EQUAL(pressure.some.total_us, 991122.0);
  CHECK_EQUAL(pressure.full.avg10, 0.25);
}

TEST("kernels before 5.13 have no full line for cpu") {
  Pressure pressure;
  CHECK_EQUAL(parse_pressure("some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n", pressure), Reason::ok);
  CHECK_EQUAL(pressure.some.avg10, 0.0);
  CHECK(std::isnan(pressure.full.avg10));
}

TEST("unknown lines and keys of later kernels are passed over") {
  Pressure pressure;
  CHECK_EQUAL(parse_pressure("irq avg10=x\nsome avg10=1.00 avg60=1.00 avg900=4.00 total=5\n", pressure), Reason::ok);
  CHECK_EQUAL(pressure.some.avg10, 1.0);
}

TEST("pressure that is cut off, negative or beyond 100 percent is malformed") {
  Pressure pressure;
  for (const auto text : {"", "full avg10=0.00 avg60=0.00 total=0\n", "some\n", "some avg10=0.00\n", "some avg10= avg60=0 total=0\n",
                          "some avg10=101.00 avg60=0.00 total=0\n", "some avg10=-1.00 avg60=0.00 total=0\n",
                          "some avg10 avg60 total\n", "some avg10=1.0 avg60=1.0 tot"}) {
    CHECK_EQUAL(parse_pressure(text, pressure), Reason::malformed);
    CHECK(std::isnan(pressure.some.avg10) && std::isnan(pressure.full.avg10));
  }
}

}  // namespace inference_health::host
