#include "gpu/xid_table.h"

#include <algorithm>

namespace inference_health::gpu {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

// A key: 1 bit used, 17 domain, 8 bus, 5 device, 8 + 8 instances, 1 SXid, 16 number.
constexpr unsigned kNumberBits = 17;

std::uint64_t key_of(const Address& at, bool is_sxid, std::uint32_t xid) {
  return at.pack() << kNumberBits | std::uint64_t{is_sxid} << 16 | std::min(xid, 0xffffu);
}

std::size_t hash(std::uint64_t key) { return (key * 0x9e3779b97f4a7c15ull) >> 32; }

void raise(std::atomic<std::uint32_t>& slot, std::uint32_t value) {
  auto before = slot.load(kRelaxed);
  while (before < value && !slot.compare_exchange_weak(before, value, kRelaxed)) {
  }
}

double said(std::uint32_t one_more) { return one_more == 0 ? kAbsent : one_more - 1.0; }

}  // namespace

std::uint64_t Address::pack() const {
  return std::uint64_t{1} << 46 | (domain & 0x1ffffull) << 29 | (bus & 0xffull) << 21 | (device & 0x1full) << 16 |
         (std::min(gpu_instance, kNoInstance) & 0xffull) << 8 | (std::min(compute_instance, kNoInstance) & 0xffull);
}

Address Address::unpack(std::uint64_t packed) {
  const auto bits = [packed](unsigned from, std::uint64_t mask) { return static_cast<std::uint32_t>(packed >> from & mask); };
  return {bits(29, 0x1ffff), bits(21, 0xff), bits(16, 0x1f), bits(8, 0xff), bits(0, 0xff)};
}

XidTable::Row* XidTable::find(std::uint64_t key, bool may_claim, double now_ms) {
  const std::size_t start = hash(key);
  for (std::size_t i = 0; i < kMaxXidRows; ++i) {
    Row& row = rows_[(start + i) % kMaxXidRows];
    auto found = row.key.load(std::memory_order_acquire);
    if (found == 0) {
      if (!may_claim) return nullptr;
      if (row.key.compare_exchange_strong(found, key, std::memory_order_acq_rel)) {
        row.first_ms.store(now_ms, std::memory_order_release);
        return &row;
      }
    }
    if (found == key) return &row;
  }
  if (may_claim) overflow_.fetch_add(1, kRelaxed);
  return nullptr;
}

void XidTable::record(unsigned source, const Address& at, bool is_sxid, std::uint32_t xid, const XidDetail& detail,
                      std::uint32_t own_pid, double now_ms) {
  Row* row = find(key_of(at, is_sxid, xid), true, now_ms);
  if (row == nullptr) return;
  auto& count = source == kSourceNvml ? row->nvml_count : source == kSourceKmsg ? row->kmsg_count : row->other_count;
  count.fetch_add(1, kRelaxed);
  row->last_ms.store(now_ms, kRelaxed);
  row->sources.fetch_or(source, kRelaxed);
  if (detail.pid) {
    const auto before = row->pid.exchange(*detail.pid, kRelaxed);
    if (before != 0 && before != *detail.pid) row->other_pids.fetch_add(1, kRelaxed);
    if (own_pid != 0 && own_pid == *detail.pid) {
      row->own_count.fetch_add(1, kRelaxed);
      row->own_ms.store(now_ms, kRelaxed);
    }
  }
  if (detail.to_action) row->to_action.store(*detail.to_action + 1, kRelaxed);
  // Once a line asked for a reset, a later one that does not leaves that standing.
  if (detail.reset_flag) raise(row->reset_flag, *detail.reset_flag ? 2 : 1);
  if (detail.severity >= row->severity.load(kRelaxed) && detail.nvlink_unit != 0) {
    raise(row->severity, detail.severity);
    row->unit.store(detail.nvlink_unit, kRelaxed);
    row->error_status.store(detail.nvlink_error_status, kRelaxed);
    row->intr_info.store(detail.nvlink_intr_info, kRelaxed);
  } else if (detail.severity > 0) {
    raise(row->severity, detail.severity);
  }
}

void XidTable::confirm(unsigned source, const Address& at, std::uint32_t xid) {
  if (Row* row = find(key_of(at, false, xid), false, 0)) row->sources.fetch_or(source, kRelaxed);
}

std::size_t XidTable::rows() const {
  return static_cast<std::size_t>(std::count_if(std::begin(rows_), std::end(rows_),
                                                [](const Row& row) { return row.key.load(kRelaxed) != 0; }));
}

std::size_t XidTable::read(std::span<double> into, std::span<const std::uint64_t> addresses) const {
  std::size_t count = 0;
  for (const Row& row : rows_) {
    const auto key = row.key.load(std::memory_order_acquire);
    const double nvml = static_cast<double>(row.nvml_count.load(kRelaxed));
    const double kmsg = static_cast<double>(row.kmsg_count.load(kRelaxed));
    const double other = static_cast<double>(row.other_count.load(kRelaxed));
    const double first = row.first_ms.load(std::memory_order_acquire);
    // Claimed, but its first record is not complete yet.
    if (key == 0 || first == 0 || nvml + kmsg + other == 0 || (count + 1) * kXidStride > into.size()) continue;

    const auto packed = key >> kNumberBits;
    const auto at = Address::unpack(packed);
    auto slot = std::find(addresses.begin(), addresses.end(), packed);
    if (slot == addresses.end()) {
      // An instance that is not in the inventory (any more) belongs to its GPU.
      const Address whole{at.domain, at.bus, at.device};
      slot = std::find(addresses.begin(), addresses.end(), whole.pack());
    }
    const auto instance = [](std::uint32_t id) { return id == Address::kNoInstance ? kAbsent : id; };
    const auto reset = row.reset_flag.load(kRelaxed);
    const auto own = row.own_count.load(kRelaxed);
    const auto unit = row.unit.load(kRelaxed);
    const auto pid = row.pid.load(kRelaxed);
    const double values[] = {
        slot == addresses.end() ? -1.0 : static_cast<double>(slot - addresses.begin()),
        static_cast<double>(key & 0xffff),
        static_cast<double>(key >> 16 & 1),
        static_cast<double>(std::uint64_t{at.domain} << 16 | at.bus << 8 | at.device),
        instance(at.gpu_instance),
        instance(at.compute_instance),
        std::max({nvml, kmsg, other}),
        nvml,
        kmsg,
        first,
        std::max(first, row.last_ms.load(kRelaxed)),
        static_cast<double>(row.sources.load(kRelaxed)),
        pid == 0 ? kAbsent : pid,
        static_cast<double>(row.other_pids.load(kRelaxed)),
        static_cast<double>(own),
        own == 0 ? kAbsent : row.own_ms.load(kRelaxed),
        said(row.to_action.load(kRelaxed)),
        said(reset),
        static_cast<double>(row.severity.load(kRelaxed)),
        unit == 0 ? kAbsent : unit,
        unit == 0 ? kAbsent : row.error_status.load(kRelaxed),
        unit == 0 ? kAbsent : row.intr_info.load(kRelaxed),
    };
    static_assert(std::size(values) == kXidStride);
    std::copy(std::begin(values), std::end(values), into.begin() + static_cast<std::ptrdiff_t>(count * kXidStride));
    ++count;
  }
  if (count * kXidStride < into.size()) into[count * kXidStride] = kAbsent;
  return count;
}

void XidTable::clear() {
  for (Row& row : rows_) {
    for (auto* number : {&row.nvml_count, &row.kmsg_count, &row.other_count}) number->store(0, kRelaxed);
    for (auto* time : {&row.first_ms, &row.last_ms, &row.own_ms}) time->store(0, kRelaxed);
    for (auto* number : {&row.sources, &row.pid, &row.other_pids, &row.own_count, &row.to_action, &row.reset_flag,
                         &row.severity, &row.unit, &row.error_status, &row.intr_info})
      number->store(0, kRelaxed);
    row.key.store(0, std::memory_order_release);
  }
  overflow_.store(0, kRelaxed);
}

void XidTable::copy(const XidTable& from) {
  const auto take = [](auto& into, const auto& value) { into.store(value.load(kRelaxed), kRelaxed); };
  for (std::size_t i = 0; i < kMaxXidRows; ++i) {
    Row& row = rows_[i];
    const Row& other = from.rows_[i];
    for (auto number : {&Row::nvml_count, &Row::kmsg_count, &Row::other_count}) take(row.*number, other.*number);
    for (auto time : {&Row::first_ms, &Row::last_ms, &Row::own_ms}) take(row.*time, other.*time);
    for (auto number : {&Row::sources, &Row::pid, &Row::other_pids, &Row::own_count, &Row::to_action, &Row::reset_flag,
                        &Row::severity, &Row::unit, &Row::error_status, &Row::intr_info})
      take(row.*number, other.*number);
    row.key.store(other.key.load(std::memory_order_acquire), std::memory_order_release);
  }
  take(overflow_, from.overflow_);
}

}  // namespace inference_health::gpu
