#include "snapshot/seqlock.h"

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "snapshot/layout.h"
#include "test.h"

namespace inference_health {

TEST("a section that was never written is absent, not zero") {
  auto section = std::make_unique<SeqlockSection<8>>();
  std::array<double, 8> into{};
  CHECK_EQUAL(section->read(into), 0u);
  for (const double value : into) CHECK(std::isnan(value));
}

TEST("every write is a new version, and a short reader gets the first slots") {
  auto section = std::make_unique<SeqlockSection<8>>();
  std::array<double, 8> values{1, 2, 3, 4, 5, 6, 7, 8};
  section->write(values);
  values[0] = 9;
  section->write(values);
  std::array<double, 3> into{};
  CHECK_EQUAL(section->read(into), 2u);
  CHECK_EQUAL(into[0], 9.0);
  CHECK_EQUAL(into[2], 3.0);
  CHECK_EQUAL(section->version(), 2u);
}

TEST("a writer that stops in the middle of a write does not stop its readers") {
  auto section = std::make_unique<SeqlockSection<2>>();
  const std::array<double, 2> first{1, 1};
  section->write(first);
  // As if the scheduler took the processor away before the version is published: nothing of it can be seen.
  const std::array<double, 1> half{2};
  struct Stopped {
    std::atomic<std::uint64_t> sequence;
    std::atomic<double> copies[2][2];
  };
  static_assert(sizeof(Stopped) == sizeof(SeqlockSection<2>));
  reinterpret_cast<Stopped*>(section.get())->copies[0][0] = half[0];
  std::array<double, 2> into{};
  CHECK_EQUAL(section->read(into), 1u);
  CHECK_EQUAL(into[0], 1.0);
}

// Each slot of version v holds v * slots + its index: a torn copy cannot agree with its version.
TEST("readers never see a torn section while the writer runs at full speed") {
  using Section = SeqlockSection<kHostSlots>;
  auto section = std::make_unique<Section>();
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> reads{0}, torn{0}, backwards{0};

  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      std::array<double, kHostSlots> into;
      std::uint64_t last = 0, count = 0;
      while (!stop.load(std::memory_order_relaxed)) {
        const auto version = section->read(into);
        if (version < last) ++backwards;
        last = version;
        for (std::size_t slot = 0; version != 0 && slot < kHostSlots; ++slot) {
          if (into[slot] != static_cast<double>(version * kHostSlots + slot)) ++torn;
        }
        ++count;
      }
      reads += count;
    });
  }
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(700);
  std::uint64_t version = 0;
  std::array<double, kHostSlots> values;
  while (std::chrono::steady_clock::now() < end) {
    for (int burst = 0; burst < 200; ++burst) {
      ++version;
      for (std::size_t slot = 0; slot < kHostSlots; ++slot) values[slot] = static_cast<double>(version * kHostSlots + slot);
      section->write(values);
    }
  }
  stop = true;
  for (auto& reader : readers) reader.join();
  CHECK_EQUAL(torn.load(), 0u);
  CHECK_EQUAL(backwards.load(), 0u);
  CHECK(reads.load() > 100 && version > 100);
}

}  // namespace inference_health
