#include "host/kept_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>

#include "fake_tree.h"
#include "host/open_files.h"
#include "test.h"

namespace inference_health::host {
namespace {

std::array<char, 4096> buffer;

FileText read(KeptFile& file, const test::FakeTree& tree) { return file.read({tree.root(), "/proc", "/stat"}, buffer); }

}  // namespace

TEST("a kept file shows what was written since") {
  test::FakeTree tree;
  tree.write("/proc/stat", "one");
  KeptFile file;
  CHECK_EQUAL(read(file, tree).text, "one");
  tree.write("/proc/stat", "two!");
  CHECK_EQUAL(read(file, tree).text, "two!");
}

TEST("a replaced file is opened again and a removed one is missing") {
  test::FakeTree tree;
  tree.write("/proc/stat", "one");
  KeptFile file;
  read(file, tree);
  tree.replace("/proc/stat", "two");
  CHECK_EQUAL(read(file, tree).text, "two");
  tree.remove("/proc");
  CHECK_EQUAL(read(file, tree).reason, Reason::missing);
  tree.write("/proc/stat", "three");
  CHECK_EQUAL(read(file, tree).text, "three");
}

TEST("an empty file is malformed") {
  test::FakeTree tree;
  tree.write("/proc/stat", "");
  KeptFile file;
  CHECK_EQUAL(read(file, tree).reason, Reason::malformed);
}

TEST("a descriptor that someone closed is replaced, and a stranger's with its number is left alone") {
  test::FakeTree tree;
  tree.write("/proc/stat", "one");
  const int probe = open("/dev/null", O_RDONLY);
  close(probe);
  KeptFile file;
  read(file, tree);  // takes the number that `probe` had
  close(probe);
  CHECK_EQUAL(read(file, tree).text, "one");

  close(probe);
  int stranger[2];
  CHECK_EQUAL(pipe(stranger), 0);
  CHECK_EQUAL(stranger[0], probe);
  CHECK_EQUAL(read(file, tree).text, "one");
  CHECK(fcntl(stranger[0], F_GETFD) >= 0);
  close(stranger[0]);
  close(stranger[1]);
}

TEST("a file that is absent is looked for again only when asked to") {
  test::FakeTree tree;
  KeptFile file;
  const FilePath path{tree.root(), "/a", ""};
  CHECK_EQUAL(file.read_if_present(path, buffer).reason, Reason::missing);
  tree.write("/a", "x");
  CHECK_EQUAL(file.read_if_present(path, buffer).reason, Reason::missing);
  file.forget_absence();
  CHECK_EQUAL(file.read_if_present(path, buffer).text, "x");
}

TEST("a path that does not fit is missing") {
  KeptFile file;
  CHECK_EQUAL(file.read({"", std::string(5000, 'x'), ""}, buffer).reason, Reason::missing);
}

TEST("what cannot be read says why") {
  KeptFile file;
  CHECK_EQUAL(file.read({"", "/proc", ""}, buffer).reason, Reason::io_error);
  CHECK_EQUAL(file.read({"", "/proc/self/stat/x", ""}, buffer).reason, Reason::missing);
}

TEST("open files are counted on procfs and in a plain folder") {
  OpenFiles real;
  double before = 0, after = 0;
  CHECK_EQUAL(real.count({"", "/proc/self/fd", ""}, buffer, before), Reason::ok);
  const int extra = open("/dev/null", O_RDONLY);
  CHECK_EQUAL(real.count({"", "/proc/self/fd", ""}, buffer, after), Reason::ok);
  close(extra);
  CHECK_EQUAL(after, before + 1);

  test::FakeTree tree;
  OpenFiles fake;
  for (const auto name : {"0", "1", "2"}) tree.write(std::string("/proc/self/fd/") + name, "");
  CHECK_EQUAL(fake.count({tree.root(), "/proc/self/fd", ""}, buffer, after), Reason::ok);
  CHECK_EQUAL(after, 3.0);
  tree.remove("/proc/self/fd");
  CHECK_EQUAL(fake.count({tree.root(), "/proc/self/fd", ""}, buffer, after), Reason::missing);
}

}  // namespace inference_health::host
