// A fake host and a reader over it, with a clock that the test moves.
#pragma once

#include <memory>

#include "fake_tree.h"
#include "host/host_reader.h"
#include "test.h"

namespace inference_health::test {

struct HostCase {
  explicit HostCase(std::string_view fixture, bool per_core = false) : tree(fixture) {
    CHECK(reader->configure(tree.root(), per_core));
    sample(0);
  }

  /// Moves the clock and takes a sample.
  void sample(double after_ms = 1000) {
    now_ms += after_ms;
    reader->sample(now_ms, 1.8e12 + now_ms);
  }

  double operator[](HostField field) { return reader->slots()[field]; }
  Reason reason(HostField field) { return static_cast<Reason>(static_cast<int>((*this)[field])); }

  FakeTree tree;
  std::unique_ptr<host::HostReader> reader = std::make_unique<host::HostReader>();
  double now_ms = 5000;
};

}  // namespace inference_health::test
