#include "fake_tree.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "test.h"

namespace inference_health::test {

namespace fs = std::filesystem;

FakeTree::FakeTree(std::string_view name) {
  char pattern[] = "/tmp/inference-health-XXXXXX";
  root_ = mkdtemp(pattern);
  if (name.empty()) return;

  std::ifstream fixture(std::string(FIXTURES_DIRECTORY "/") + std::string(name) + ".txt");
  std::string path, text;
  const auto flush = [&] {
    if (path.empty()) return;
    if (path.ends_with('/')) {
      fs::create_directories(root_ + path);
    } else {
      write(path, text);
      files_.push_back(path);
    }
  };
  for (std::string line; std::getline(fixture, line);) {
    if (line.starts_with("==> ") && line.ends_with(" <==")) {
      flush();
      path = line.substr(4, line.size() - 8);
      text.clear();
    } else {
      text += line + '\n';
    }
  }
  flush();
}

FakeTree::~FakeTree() {
  std::error_code ignored;
  fs::remove_all(root_, ignored);
}

void FakeTree::write(std::string_view path, std::string_view text) {
  const fs::path full = root_ + std::string(path);
  fs::create_directories(full.parent_path());
  std::ofstream(full) << text;
}

void FakeTree::replace(std::string_view path, std::string_view text) {
  const std::string full = root_ + std::string(path);
  std::ofstream(full + ".new") << text;
  fs::rename(full + ".new", full);
}

void FakeTree::remove(std::string_view path) { fs::remove_all(root_ + std::string(path)); }

std::string FakeTree::read(std::string_view path) const {
  std::ostringstream text;
  text << std::ifstream(root_ + std::string(path)).rdbuf();
  return text.str();
}

TEST("a fixture becomes a tree of files") {
  FakeTree tree("v2-container");
  CHECK_EQUAL(tree.read("/proc/self/cgroup"), "0::/\n");
  CHECK(tree.files().size() > 20);
}

}  // namespace inference_health::test
