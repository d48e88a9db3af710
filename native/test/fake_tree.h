// A fake /proc and /sys in a temporary folder, from a fixture file that test/helpers/fake-host.ts reads too.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace inference_health::test {

class FakeTree {
 public:
  /// `name` is a file of test/fixtures/hosts without its extension; nothing for an empty folder.
  explicit FakeTree(std::string_view name = {});
  ~FakeTree();
  FakeTree(const FakeTree&) = delete;
  FakeTree& operator=(const FakeTree&) = delete;

  const std::string& root() const { return root_; }
  const std::vector<std::string>& files() const { return files_; }

  /// Writes in place, creating folders.
  void write(std::string_view path, std::string_view text);
  /// Writes beside and renames, as careful programs do: the old file lives on in kept descriptors.
  void replace(std::string_view path, std::string_view text);
  void remove(std::string_view path);
  std::string read(std::string_view path) const;

 private:
  std::string root_;
  std::vector<std::string> files_;
};

}  // namespace inference_health::test
