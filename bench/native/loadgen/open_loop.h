// Probes at a constant rate, whatever the server does. A latency counts from the moment at which the probe was due, so
// that a stall of the server (or of this tool) shows in every probe that fell into it: no coordinated omission.
#pragma once

#include <sys/epoll.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cmath>
#include <deque>
#include <vector>

#include "../common.h"
#include "reply.h"
#include "report.h"
#include "target.h"

namespace bench {

struct OpenLoopPlan {
  double rate = 1000;
  uint64_t count = 0;
  bool keepAlive = false;
  // Exponential gaps in place of equal ones; the seed makes them repeatable.
  bool isPoisson = false;
  uint64_t seed = 1;
  uint64_t timeoutNs = 1'000'000'000;
};

class OpenLoop {
 public:
  OpenLoop(const Target& target, const OpenLoopPlan& plan, Report& report)
      : target_(target), plan_(plan), report_(report), random_(plan.seed * 2 + 1), probes_(kMaxFd), poll_(epoll_create1(EPOLL_CLOEXEC)) {}

  void run() {
    const uint64_t start = nowNs() + 1'000'000;
    double dueNs = 0;
    uint64_t launched = 0;
    std::vector<epoll_event> events(256);
    while (launched < plan_.count || inFlight_ > 0) {
      uint64_t now = nowNs();
      while (launched < plan_.count && start + static_cast<uint64_t>(dueNs) <= now) {
        launch(start + static_cast<uint64_t>(dueNs), now);
        dueNs += gapNs();
        launched++;
        now = nowNs();
      }
      expire(now);
      uint64_t wake = now + 100'000'000;
      if (launched < plan_.count) wake = std::min(wake, start + static_cast<uint64_t>(dueNs));
      if (!deadlines_.empty()) wake = std::min(wake, deadlines_.front().at);
      const uint64_t wait = wake > now ? wake - now : 0;
      const timespec timeout{static_cast<time_t>(wait / 1'000'000'000), static_cast<long>(wait % 1'000'000'000)};
      // epoll_wait rounds to milliseconds.
      const long ready = syscall(SYS_epoll_pwait2, poll_, events.data(), static_cast<int>(events.size()), &timeout, nullptr, 0);
      for (long index = 0; index < ready; index++) {
        const epoll_event& event = events[static_cast<size_t>(index)];
        progress(event.data.fd, event.events);
      }
    }
    report_.sent = launched;
    report_.seconds = static_cast<double>(nowNs() - start) / 1e9;
  }

 private:
  static constexpr size_t kMaxFd = 16384;

  struct Probe {
    uint64_t dueNs = 0;
    uint64_t serial = 0;
    bool isWaiting = false;
    bool isSent = false;
    Reply reply;
  };

  struct Deadline {
    uint64_t at;
    uint64_t serial;
    int fd;
  };

  double gapNs() {
    const double gap = 1e9 / plan_.rate;
    if (!plan_.isPoisson) return gap;
    random_ ^= random_ << 13;
    random_ ^= random_ >> 7;
    random_ ^= random_ << 17;
    return -gap * std::log(1 - static_cast<double>(random_ >> 11) / 9007199254740992.0);
  }

  void launch(uint64_t dueNs, uint64_t now) {
    report_.lag.record(now - dueNs);
    int fd = -1;
    const bool isReused = !idle_.empty();
    if (isReused) {
      fd = idle_.back();
      idle_.pop_back();
    } else {
      fd = connectTo(target_.port);
      if (fd < 0) {
        if (errno == EMFILE) report_.errors.overrun++;
        else report_.errors.connect++;
        return;
      }
      if (static_cast<size_t>(fd) >= kMaxFd) {
        close(fd);
        report_.errors.overrun++;
        return;
      }
    }
    Probe& probe = probes_[static_cast<size_t>(fd)];
    probe.dueNs = dueNs;
    probe.serial = ++serial_;
    probe.isWaiting = true;
    probe.reply.reset();
    inFlight_++;
    deadlines_.push_back({now + plan_.timeoutNs, probe.serial, fd});
    // On loopback a connection is usually complete when connect() returns, so the request can go at once.
    probe.isSent = trySend(fd);
    if (isReused) return;
    epoll_event event{};
    event.events = EPOLLIN | EPOLLRDHUP | (probe.isSent ? 0u : static_cast<uint32_t>(EPOLLOUT));
    event.data.fd = fd;
    epoll_ctl(poll_, EPOLL_CTL_ADD, fd, &event);
  }

  bool trySend(int fd) {
    return send(fd, target_.request.data(), target_.request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(target_.request.size());
  }

  void progress(int fd, uint32_t ready) {
    Probe& probe = probes_[static_cast<size_t>(fd)];
    if (!probe.isWaiting) {
      // An idle connection that the server ended.
      std::erase(idle_, fd);
      close(fd);
      return;
    }
    if (!probe.isSent) {
      int error = 0;
      socklen_t length = sizeof error;
      getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
      if (error != 0) return finish(fd, &report_.errors.connect);
      if ((ready & EPOLLOUT) == 0) return;
      if (!trySend(fd)) return finish(fd, &report_.errors.closed);
      probe.isSent = true;
      epoll_event event{};
      event.events = EPOLLIN | EPOLLRDHUP;
      event.data.fd = fd;
      epoll_ctl(poll_, EPOLL_CTL_MOD, fd, &event);
    }
    char buffer[16384];
    const ssize_t received = recv(fd, buffer, sizeof buffer, 0);
    if (received < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (received <= 0) {
      if (received == 0 && probe.reply.completeAtEnd()) return answer(fd);
      return finish(fd, &report_.errors.closed);
    }
    if (probe.reply.add(buffer, static_cast<size_t>(received))) answer(fd);
  }

  void answer(int fd) {
    Probe& probe = probes_[static_cast<size_t>(fd)];
    const uint64_t latency = nowNs() - probe.dueNs;
    report_.replyBytes = probe.reply.size();
    if (target_.expectedStatus != 0 && probe.reply.status() != target_.expectedStatus) return finish(fd, &report_.errors.status);
    report_.answered(latency);
    finish(fd, nullptr);
  }

  void finish(int fd, uint64_t* error) {
    probes_[static_cast<size_t>(fd)].isWaiting = false;
    inFlight_--;
    if (error != nullptr) (*error)++;
    if (error == nullptr && plan_.keepAlive) {
      idle_.push_back(fd);
    } else {
      close(fd);
    }
  }

  void expire(uint64_t now) {
    while (!deadlines_.empty()) {
      const Deadline deadline = deadlines_.front();
      const Probe& probe = probes_[static_cast<size_t>(deadline.fd)];
      const bool isOver = !probe.isWaiting || probe.serial != deadline.serial;
      if (!isOver && deadline.at > now) return;
      deadlines_.pop_front();
      if (!isOver) finish(deadline.fd, &report_.errors.timeout);
    }
  }

  const Target& target_;
  const OpenLoopPlan& plan_;
  Report& report_;
  uint64_t random_;
  std::vector<Probe> probes_;
  std::deque<Deadline> deadlines_;
  std::vector<int> idle_;
  int poll_;
  uint64_t inFlight_ = 0;
  uint64_t serial_ = 0;
};

}  // namespace bench
