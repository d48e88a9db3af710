// A fixed number of kept-alive connections, each sending its next request as soon as it has its answer: throughput, and
// what one request costs the server in CPU.
#pragma once

#include <sys/epoll.h>

#include <cerrno>
#include <vector>

#include "../common.h"
#include "reply.h"
#include "report.h"
#include "target.h"

namespace bench {

struct ClosedLoopPlan {
  size_t connections = 64;
  double warmupSeconds = 0.5;
  double seconds = 3;
  // Process whose CPU time is measured over the window; 0 for none.
  pid_t server = 0;
};

inline void runClosedLoop(const Target& target, const ClosedLoopPlan& plan, Report& report) {
  struct Connection {
    uint64_t sentNs = 0;
    Reply reply;
  };
  std::vector<Connection> connections(65536);
  const int poll = epoll_create1(EPOLL_CLOEXEC);
  const auto sendTo = [&](int fd) {
    Connection& connection = connections[static_cast<size_t>(fd)];
    connection.reply.reset();
    connection.sentNs = nowNs();
    return send(fd, target.request.data(), target.request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(target.request.size());
  };
  for (size_t index = 0; index < plan.connections; index++) {
    const int fd = connectTo(target.port);
    if (fd < 0) fail("connect");
    epoll_event event{};
    event.events = EPOLLOUT;
    event.data.fd = fd;
    epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
  }

  const uint64_t begin = nowNs();
  const uint64_t from = begin + static_cast<uint64_t>(plan.warmupSeconds * 1e9);
  const uint64_t until = from + static_cast<uint64_t>(plan.seconds * 1e9);
  uint64_t windowStart = 0;
  uint64_t serverCpu = 0;
  uint64_t clientCpu = 0;
  size_t open = plan.connections;
  std::vector<epoll_event> events(1024);
  char buffer[65536];
  uint64_t now = begin;
  while (now < until && open > 0) {
    const int ready = epoll_wait(poll, events.data(), static_cast<int>(events.size()), 100);
    now = nowNs();
    if (windowStart == 0 && now >= from) {
      windowStart = now;
      serverCpu = plan.server == 0 ? 0 : processCpuNs(plan.server);
      clientCpu = processCpuNs(getpid());
    }
    for (int index = 0; index < ready; index++) {
      const epoll_event& event = events[static_cast<size_t>(index)];
      const int fd = event.data.fd;
      Connection& connection = connections[static_cast<size_t>(fd)];
      if ((event.events & EPOLLOUT) != 0) {
        epoll_event next{};
        next.events = EPOLLIN;
        next.data.fd = fd;
        epoll_ctl(poll, EPOLL_CTL_MOD, fd, &next);
        if (!sendTo(fd)) fail("send");
        continue;
      }
      const ssize_t received = recv(fd, buffer, sizeof buffer, 0);
      if (received <= 0) {
        if (received < 0 && errno == EAGAIN) continue;
        report.errors.closed++;
        close(fd);
        open--;
        continue;
      }
      if (!connection.reply.add(buffer, static_cast<size_t>(received))) continue;
      if (target.expectedStatus != 0 && connection.reply.status() != target.expectedStatus) report.errors.status++;
      if (windowStart != 0) {
        report.replyBytes = connection.reply.size();
        report.answered(nowNs() - connection.sentNs);
      }
      sendTo(fd);
    }
  }
  report.seconds = static_cast<double>(nowNs() - windowStart) / 1e9;
  report.serverCpuNs = plan.server == 0 ? 0 : processCpuNs(plan.server) - serverCpu;
  report.clientCpuNs = processCpuNs(getpid()) - clientCpu;
  report.sent = report.latency.count() + report.errors.total();
}

}  // namespace bench
