// The initialised library: taken when there is a driver, given back when it goes or is to go, and taken again.
#pragma once

#include "gpu/installation.h"
#include "gpu/system_events.h"

namespace inference_health::gpu {

class Connection {
 public:
  explicit Connection(WorkerContext& context) : context_(context), installation_(context), system_events_(context) {}

  bool is_open() const { return is_open_; }
  /// Initialises the library and lists the GPUs. False: not all of that succeeded; why is published, and `next_try_ms` set.
  bool open(double now_ms);
  double next_try_ms() const { return next_try_ms_; }
  void try_at(double at_ms) { next_try_ms_ = at_ms; }
  /// How long to wait between looks for a driver that comes before the next try.
  double look_interval_ms() const;
  /// While there is no driver: whether it is worth another try before the next one is due.
  void look_for_driver();

  /// True when GPUs may have come.
  bool poll_system_events();
  void on_driver_gone(nvml::Return code);
  /// What the file system says of the driver now; published.
  DriverFiles read_files() { return installation_.read_files(); }
  /// The same, to be compared with when there is no driver any more.
  void remember_files() { files_ = read_files(); }

  /// Gives everything back that keeps the driver from being unloaded and GPUs from being reset. What cannot be given back,
  /// because the event thread does not return, stays initialised.
  void close();
  /// The same, for a stop or a release: does not listen for the driver's return either.
  void close_all();

 private:
  void fail(NoneReason reason, double code);

  WorkerContext& context_;
  Installation installation_;
  SystemEvents system_events_;
  DriverFiles files_;
  bool is_open_ = false;
  double retry_ms_ = 0, next_try_ms_ = 0, next_look_ms_ = 0;
};

}  // namespace inference_health::gpu
