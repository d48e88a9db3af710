#include "gpu/xid_table.h"

#include <memory>
#include <thread>
#include <vector>

#include "test.h"

namespace inference_health::gpu {
namespace {

struct Read {
  explicit Read(const XidTable& table, std::span<const std::uint64_t> addresses = {}) : values(kMaxXidRows * kXidStride) {
    rows = table.read(values, addresses);
  }
  double at(std::size_t row, XidField field) const { return values[row * kXidStride + static_cast<std::size_t>(field)]; }
  std::vector<double> values;
  std::size_t rows = 0;
};

const Address kGpu{0, 0x3b, 0};

}  // namespace

TEST("an address survives packing") {
  for (const auto& at : {kGpu, Address{0x1ffff, 0xff, 0x1f, 0, 0}, Address{8, 1, 0, 5, 3}})
    CHECK(Address::unpack(at.pack()) == at);
}

TEST("a hundred thousand reports are one row") {
  const auto table = std::make_unique<XidTable>();
  for (int i = 0; i < 100'000; ++i) table->record(kSourceNvml, kGpu, false, 45, {}, 0, 1000 + i);
  const Read read(*table);
  CHECK_EQUAL(read.rows, 1u);
  CHECK_EQUAL(read.at(0, XidField::count), 100'000.0);
  CHECK_EQUAL(read.at(0, XidField::firstAtMs), 1000.0);
  CHECK_EQUAL(read.at(0, XidField::lastAtMs), 100'999.0);
}

TEST("two sources of one fault are counted once") {
  const auto table = std::make_unique<XidTable>();
  for (int i = 0; i < 3; ++i) table->record(kSourceNvml, kGpu, false, 94, {}, 0, 10);
  XidDetail detail;
  detail.pid = 77;
  detail.reset_flag = false;
  table->record(kSourceKmsg, kGpu, false, 94, detail, 77, 12);
  const Read read(*table);
  CHECK_EQUAL(read.rows, 1u);
  CHECK_EQUAL(read.at(0, XidField::count), 3.0);
  CHECK_EQUAL(read.at(0, XidField::sources), 3.0);
  CHECK_EQUAL(read.at(0, XidField::pid), 77.0);
  CHECK_EQUAL(read.at(0, XidField::ownCount), 1.0);
  CHECK_EQUAL(read.at(0, XidField::ownAtMs), 12.0);
  CHECK_EQUAL(read.at(0, XidField::resetFlag), 0.0);
  CHECK_EQUAL(read.at(0, XidField::toAction), NAN);
}

TEST("rows are found by slot, and instances that are not listed belong to their GPU") {
  const auto table = std::make_unique<XidTable>();
  const Address known{0, 0x3b, 0, 5, 0}, unlisted{0, 0x3b, 0, 6, 0}, foreign{0, 0x99, 0};
  table->record(kSourceKmsg, known, false, 94, {}, 0, 1);
  table->record(kSourceKmsg, unlisted, false, 94, {}, 0, 1);
  table->record(kSourceKmsg, foreign, false, 79, {}, 0, 1);
  const std::uint64_t addresses[] = {Address{0, 1, 0}.pack(), kGpu.pack(), known.pack()};
  const Read read(*table, addresses);
  CHECK_EQUAL(read.rows, 3u);
  double slots[3] = {};
  for (std::size_t row = 0; row < 3; ++row) {
    if (read.at(row, XidField::xid) == 79) slots[2] = read.at(row, XidField::gpuSlot);
    else slots[read.at(row, XidField::gpuInstance) == 5 ? 0 : 1] = read.at(row, XidField::gpuSlot);
  }
  CHECK_EQUAL(slots[0], 2.0);
  CHECK_EQUAL(slots[1], 1.0);
  CHECK_EQUAL(slots[2], -1.0);
}

TEST("more kinds of faults than rows are counted, not stored") {
  const auto table = std::make_unique<XidTable>();
  for (std::uint32_t xid = 1; xid <= kMaxXidRows + 44; ++xid) table->record(kSourceKmsg, kGpu, false, xid, {}, 0, 1);
  CHECK_EQUAL(table->rows(), kMaxXidRows);
  CHECK_EQUAL(table->overflow(), 44.0);
  CHECK_EQUAL(Read(*table).rows, kMaxXidRows);
  table->clear();
  CHECK_EQUAL(Read(*table).rows, 0u);
}

TEST("an XID and an SXid of one number are two") {
  const auto table = std::make_unique<XidTable>();
  table->record(kSourceKmsg, kGpu, false, 13, {}, 0, 1);
  table->record(kSourceKmsg, kGpu, true, 13, {}, 0, 1);
  CHECK_EQUAL(Read(*table).rows, 2u);
}

TEST("a probe confirms a fault that is known and invents none") {
  const auto table = std::make_unique<XidTable>();
  table->confirm(kSourceHandleProbe, kGpu, 79);
  CHECK_EQUAL(Read(*table).rows, 0u);
  table->record(kSourceKmsg, kGpu, false, 79, {}, 0, 1);
  table->confirm(kSourceHandleProbe, kGpu, 79);
  CHECK_EQUAL(Read(*table).at(0, XidField::sources), double{kSourceKmsg | kSourceHandleProbe});
  CHECK_EQUAL(Read(*table).at(0, XidField::count), 1.0);
}

TEST("threads that record at once lose nothing") {
  const auto table = std::make_unique<XidTable>();
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      XidDetail detail;
      detail.pid = 100 + static_cast<std::uint32_t>(thread);
      for (std::uint32_t i = 0; i < 5000; ++i)
        table->record(thread % 2 ? kSourceKmsg : kSourceNvml, kGpu, false, 10 + i % 50, detail, 0, 1);
    });
  }
  for (int i = 0; i < 100; ++i) CHECK(Read(*table).rows <= 50);
  for (auto& thread : threads) thread.join();
  const Read read(*table);
  CHECK_EQUAL(read.rows, 50u);
  double total = 0;
  for (std::size_t row = 0; row < read.rows; ++row) total += read.at(row, XidField::nvmlCount) + read.at(row, XidField::kmsgCount);
  CHECK_EQUAL(total, 20'000.0);
}

}  // namespace inference_health::gpu
