// The limit: a single-threaded epoll loop that answers every GET with the same prepared bytes. What it does not do
// (routing, verdicts, clocks) is what a probe server's own work is measured against.
//
//   responder --reply FILE [--busy 0…100] [--port 0]
//
// `--busy` runs a second thread that spins for that share of each 100 ms, as the blocked main thread of the subjects does.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "common.h"

namespace {

constexpr uint64_t kBusyPeriodNs = 100'000'000;

[[noreturn]] void spin(double share) {
  const auto busyNs = static_cast<uint64_t>(share * kBusyPeriodNs);
  for (;;) {
    const uint64_t start = bench::nowNs();
    while (bench::nowNs() - start < busyNs) {
    }
    if (busyNs >= kBusyPeriodNs) continue;
    const timespec idle{0, static_cast<long>(kBusyPeriodNs - busyNs)};
    nanosleep(&idle, nullptr);
  }
}

int listenOn(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  // 511 is the backlog of node:http, 512 that of uWebSockets.js.
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || listen(fd, 511) != 0) bench::fail("listen");
  return fd;
}

uint16_t portOf(int fd) {
  sockaddr_in address{};
  socklen_t length = sizeof address;
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
  return ntohs(address.sin_port);
}

std::string replyOf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) bench::fail(path.c_str());
  return {std::istreambuf_iterator<char>(file), {}};
}

// Requests of a probe fit one segment; bytes of an unfinished one wait in `pending`.
struct Connection {
  std::string pending;
};

}  // namespace

int main(int count, char** values) {
  const bench::Arguments arguments(count, values);
  const std::string reply = replyOf(arguments.text("reply", ""));
  const double busy = arguments.number("busy", 0) / 100;
  signal(SIGPIPE, SIG_IGN);

  const int listener = listenOn(static_cast<uint16_t>(arguments.number("port", 0)));
  const int poll = epoll_create1(EPOLL_CLOEXEC);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = listener;
  epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
  std::printf("{\"port\":%u}\n", portOf(listener));
  std::fflush(stdout);
  if (busy > 0) std::thread(spin, busy).detach();

  std::vector<Connection> connections(65536);
  std::vector<epoll_event> events(1024);
  char buffer[4096];
  for (;;) {
    const int ready = epoll_wait(poll, events.data(), static_cast<int>(events.size()), -1);
    for (int index = 0; index < ready; index++) {
      const int fd = events[static_cast<size_t>(index)].data.fd;
      if (fd == listener) {
        for (;;) {
          const int accepted = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
          if (accepted < 0) break;
          if (static_cast<size_t>(accepted) >= connections.size()) {
            close(accepted);
            continue;
          }
          const int on = 1;
          setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
          connections[static_cast<size_t>(accepted)].pending.clear();
          event.events = EPOLLIN | EPOLLRDHUP;
          event.data.fd = accepted;
          epoll_ctl(poll, EPOLL_CTL_ADD, accepted, &event);
        }
        continue;
      }
      const ssize_t received = recv(fd, buffer, sizeof buffer, 0);
      if (received <= 0) {
        if (received < 0 && (errno == EAGAIN || errno == EINTR)) continue;
        close(fd);
        continue;
      }
      std::string& pending = connections[static_cast<size_t>(fd)].pending;
      std::string_view input(buffer, static_cast<size_t>(received));
      if (!pending.empty()) {
        pending.append(input);
        input = pending;
      }
      bool last = false;
      for (size_t end; (end = input.find("\r\n\r\n")) != std::string_view::npos; input.remove_prefix(end + 4)) {
        last = input.substr(0, end).find("onnection: close") != std::string_view::npos;
        if (send(fd, reply.data(), reply.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(reply.size())) last = true;
      }
      if (last) {
        close(fd);
      } else {
        pending = input.empty() ? std::string() : std::string(input);
      }
    }
  }
}
