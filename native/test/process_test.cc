#include "host/process.h"

#include <string>

#include "test.h"

namespace inference_health::host {
namespace {

std::string stat_of(std::string_view title) {
  return "7 (" + std::string(title) + ") S 1 7 7 0 -1 0 0 0 0 0 120 34 0 0 20 0 11 0 8100000 0 0\n";
}

}  // namespace

TEST("the title of a process cannot shift its fields") {
  for (const auto title : {"node", "a b", ") R 1 2 3", "((", "two\nlines", "", ")))"}) {
    ProcessStat stat{};
    CHECK_EQUAL(parse_process_stat(stat_of(title), stat), Reason::ok);
    CHECK_EQUAL(stat.user_ticks, 120.0);
    CHECK_EQUAL(stat.system_ticks, 34.0);
    CHECK_EQUAL(stat.threads, 11.0);
    CHECK_EQUAL(stat.start_ticks, 8100000.0);
  }
}

TEST("a stat line that is cut off is malformed") {
  ProcessStat stat{};
  const auto whole = stat_of("x");
  for (std::size_t length = 0; length < whole.find("8100000"); ++length) {
    CHECK_EQUAL(parse_process_stat(whole.substr(0, length), stat), Reason::malformed);
  }
}

TEST("load and uptime are decimals") {
  LoadAverage load{};
  CHECK_EQUAL(parse_loadavg("1.52 0.98 0.33 3/812 9911\n", load), Reason::ok);
  CHECK_EQUAL(load.five, 0.98);
  for (const auto text : {"", "1.0", "1.0 2.0", "a b c\n", "1.0 2.0 -3.0\n"}) {
    CHECK_EQUAL(parse_loadavg(text, load), Reason::malformed);
  }
  double seconds = 0;
  CHECK_EQUAL(parse_uptime("86400.25 311022.10\n", seconds), Reason::ok);
  CHECK_EQUAL(seconds, 86400.25);
  CHECK_EQUAL(parse_uptime("\n", seconds), Reason::malformed);
}

TEST("the soft limit of open files counts, and may be none") {
  double limit = 0;
  constexpr std::string_view head = "Limit   Soft Limit  Hard Limit  Units\n";
  CHECK_EQUAL(parse_open_files_limit(std::string(head) + "Max open files   65536   1048576   files\n", limit), Reason::ok);
  CHECK_EQUAL(limit, 65536.0);
  CHECK_EQUAL(parse_open_files_limit("Max open files  unlimited  unlimited  files\n", limit), Reason::unlimited);
  CHECK_EQUAL(parse_open_files_limit("Max open files  lots\n", limit), Reason::malformed);
  CHECK_EQUAL(parse_open_files_limit(head, limit), Reason::malformed);
}

}  // namespace inference_health::host
