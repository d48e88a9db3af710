#include "host/cpu.h"

#include <numeric>

#include "host/text.h"

namespace inference_health::host {

namespace {

// When a core goes offline its idle time leaves the sums. node_exporter's bound for telling that from jitter: 3 s.
constexpr std::uint64_t kIdleResetTicks = 300;

// The columns behind the name; kernels before 2.6.11 print fewer than eight, and none prints fewer than four.
bool parse_times(std::string_view line, CpuTimes& times) {
  for (std::size_t column = 0; column < CpuTimes::columns; ++column) {
    const auto field = take_field(line);
    if (field.empty()) return column > CpuTimes::idle;
    const auto ticks = parse_unsigned(field);
    if (!ticks) return false;
    times.ticks[column] = *ticks;
  }
  return true;
}

}  // namespace

Reason parse_cpu_stat(std::string_view text, CpuStat& stat, std::span<CoreTimes> cores) {
  stat = {};
  auto line = take_line(text);
  if (take_field(line) != "cpu" || !parse_times(line, stat.total)) return Reason::malformed;

  while (text.starts_with("cpu")) {
    line = take_line(text);
    const auto core = parse_unsigned(take_field(line).substr(3));
    if (!core || *core > UINT32_MAX) return Reason::malformed;
    if (stat.core_count < cores.size()) {
      auto& stored = cores[stat.core_count];
      stored = {static_cast<std::uint32_t>(*core), {}};
      if (!parse_times(line, stored.times)) return Reason::malformed;
    }
    ++stat.core_count;
  }
  // Sandboxes without processor accounting (gVisor) print nothing but zeros.
  const auto& ticks = stat.total.ticks;
  const bool counts = std::accumulate(ticks.begin(), ticks.end(), std::uint64_t{0}) != 0;
  return counts ? Reason::ok : Reason::unsupported;
}

void CpuMeter::update(const CpuTimes& now) {
  const auto before = before_;
  if (state_ == State::empty) {
    before_ = now;
    state_ = State::primed;
    return;
  }
  if (now.ticks[CpuTimes::idle] + kIdleResetTicks < before.ticks[CpuTimes::idle]) {
    before_ = now;
    return;
  }
  // iowait, and idle by a tick or two, run backwards on real kernels: each column is clamped on its own.
  std::array<double, CpuTimes::columns> delta{};
  double total = 0;
  for (std::size_t i = 0; i < delta.size(); ++i) {
    if (now.ticks[i] > before.ticks[i]) delta[i] = static_cast<double>(now.ticks[i] - before.ticks[i]);
    total += delta[i];
  }
  if (total <= 0) return;

  before_ = now;
  state_ = State::measured;
  ratios_ = {
      .busy = 1 - (delta[CpuTimes::idle] + delta[CpuTimes::iowait]) / total,
      .user = (delta[CpuTimes::user] + delta[CpuTimes::nice]) / total,
      .system = (delta[CpuTimes::system] + delta[CpuTimes::irq] + delta[CpuTimes::softirq]) / total,
      .iowait = delta[CpuTimes::iowait] / total,
      .steal = delta[CpuTimes::steal] / total,
  };
}

}  // namespace inference_health::host
