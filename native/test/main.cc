#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "test.h"

namespace inference_health::test {
namespace {

struct Test {
  const char *name, *file;
  Body body;
};

std::vector<Test>& tests() {
  static std::vector<Test> all;
  return all;
}

int failures = 0;

}  // namespace

Registration::Registration(const char* name, Body body, const char* file) {
  const char* const slash = std::strrchr(file, '/');
  tests().push_back({name, slash != nullptr ? slash + 1 : file, body});
}

void fail(const char* file, int line, const std::string& message) {
  ++failures;
  std::fprintf(stderr, "  %s:%d: %s\n", file, line, message.c_str());
}

}  // namespace inference_health::test

// Arguments: parts of names of tests or files, as gpu_stuck; without any, every test runs.
int main(int argc, char** argv) {
  using namespace inference_health::test;
  int passed = 0, failed = 0;
  for (const auto& [name, file, body] : tests()) {
    bool wanted = argc < 2;
    for (int i = 1; i < argc; ++i) wanted = wanted || std::strstr(name, argv[i]) != nullptr || std::strstr(file, argv[i]) != nullptr;
    if (!wanted) continue;
    if (std::getenv("VERBOSE") != nullptr) std::fprintf(stderr, "%s\n", name);
    const int before = failures;
    body();
    const bool is_ok = failures == before;
    (is_ok ? passed : failed)++;
    if (!is_ok) std::fprintf(stderr, "not ok: %s\n", name);
  }
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed == 0 && passed > 0 ? 0 : 1;
}
