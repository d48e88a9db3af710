#include "gpu/kmsg_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "fake_tree.h"
#include "test.h"

namespace inference_health::gpu {
namespace {

struct Followed {
  explicit Followed(bool is_fifo) : path(tree.root() + "/kmsg") {
    if (is_fifo) {
      if (mkfifo(path.c_str(), 0600) != 0) std::abort();
    } else {
      tree.write("/kmsg", "4,1,1,-;NVRM: Xid (PCI:0000:3b:00): 79, before our time\n");
    }
    reader = std::make_unique<KmsgReader>(path);
    read(0);
    fd = open(path.c_str(), O_WRONLY | O_APPEND | O_NONBLOCK);
  }
  ~Followed() { close(fd); }

  void write(const std::string& text) {
    if (::write(fd, text.data(), text.size()) != static_cast<ssize_t>(text.size())) std::abort();
  }
  void read(double now = 1) {
    reader->read(now, [](void* context, const KmsgFault& fault) { static_cast<Followed*>(context)->faults.push_back(fault); }, this);
  }

  test::FakeTree tree;
  std::string path;
  std::unique_ptr<KmsgReader> reader;
  int fd = -1;
  std::vector<KmsgFault> faults;
};

const std::string kXid = "NVRM: Xid (PCI:0000:3b:00): 31, pid=1, name=x\n";

}  // namespace

TEST("the kernel log is followed from now on, whatever kind of file it is") {
  for (const bool is_fifo : {true, false}) {
    Followed log(is_fifo);
    CHECK_EQUAL(log.reader->state(), KmsgState::reading);
    CHECK_EQUAL(log.faults.size(), 0u);
    log.write("4,2,5,-;" + kXid + " SUBSYSTEM=pci\n DEVICE=+pci:0000:3b:00.0\n4,3,5,-;eth0: link up\n4,4,5,-;" + kXid);
    log.read();
    CHECK_EQUAL(log.faults.size(), 2u);
    CHECK_EQUAL(log.reader->records(), 3.0);
    CHECK_EQUAL(log.reader->malformed(), 0.0);
    CHECK_EQUAL(log.reader->gaps(), 0.0);
  }
}

TEST("a record that comes in pieces is read once it is whole") {
  Followed log(true);
  log.write("4,2,5,-;NVRM: Xid (PCI:0000:");
  log.read();
  CHECK_EQUAL(log.faults.size(), 0u);
  log.write("3b:00): 31, pid=1, name=x\n");
  log.read();
  CHECK_EQUAL(log.faults.size(), 1u);
}

TEST("malformed records are counted and skipped") {
  Followed log(true);
  log.write("garbage\n\xff\xfe\n;;;\n4,2,5,-;" + kXid);
  log.read();
  CHECK_EQUAL(log.faults.size(), 1u);
  CHECK_EQUAL(log.reader->malformed(), 3.0);
}

TEST("a line without end is skipped up to its end") {
  Followed log(true);
  log.write(std::string(20'000, 'x'));
  log.read();
  CHECK_EQUAL(log.reader->malformed(), 1.0);
  log.write(std::string(5000, 'x') + "\n4,2,5,-;" + kXid);
  log.read();
  CHECK_EQUAL(log.faults.size(), 1u);
  CHECK_EQUAL(log.reader->malformed(), 1.0);
}

TEST("lost records are noticed by their numbers") {
  Followed log(true);
  log.write("4,2,5,-;" + kXid + "4,3,5,-;" + kXid + "4,100,5,-;" + kXid);
  log.read();
  CHECK_EQUAL(log.reader->gaps(), 1.0);
  CHECK_EQUAL(log.faults.size(), 3u);
}

TEST("a log that does not exist is looked for again") {
  test::FakeTree tree;
  KmsgReader reader(tree.root() + "/kmsg");
  const auto read = [&](double now) { reader.read(now, [](void*, const KmsgFault&) {}, nullptr); };
  read(0);
  CHECK_EQUAL(reader.state(), KmsgState::missing);
  CHECK_EQUAL(reader.fd(), -1);
  tree.write("/kmsg", "");
  read(1000);
  CHECK_EQUAL(reader.state(), KmsgState::missing);
  read(31'000);
  CHECK_EQUAL(reader.state(), KmsgState::reading);
}

TEST("a log that may not be read says so") {
  // Root may read everything; the test then proves nothing.
  if (geteuid() == 0) return;
  test::FakeTree tree;
  tree.write("/kmsg", "");
  chmod((tree.root() + "/kmsg").c_str(), 0);
  KmsgReader reader(tree.root() + "/kmsg");
  reader.read(0, [](void*, const KmsgFault&) {}, nullptr);
  CHECK_EQUAL(reader.state(), KmsgState::no_permission);
}

TEST("no path is no log") {
  KmsgReader reader("");
  reader.read(0, [](void*, const KmsgFault&) {}, nullptr);
  CHECK_EQUAL(reader.state(), KmsgState::off);
}

}  // namespace inference_health::gpu
