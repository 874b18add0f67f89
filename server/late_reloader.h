// Stands for the reloader until the reloader is made. That is the last step of a start: the server
// answers operators' calls before. A server that cannot reload never makes one.
//
//   LateReloader reloads;
//   ... .reload_problem = [&reloads] { return reloads.problem(); } ...   // "": no reloader yet
//   reloads.Begin(std::move(reconfigurer), std::move(reloader));
//   reloads.Tick();                                                      // twice a second
//
// Errors: of Ask(): UNAVAILABLE as long as there is no reloader.
//
// Thread safety: one owner; Ask(), problem() and needs_restart() are safe.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "server/reconfigurer.h"
#include "server/reloader.h"

namespace entropyd {

class LateReloader {
 public:
  // REQUIRES: called once at most. The reloader uses the reconfigurer.
  void Begin(std::unique_ptr<Reconfigurer> reconfigurer, std::unique_ptr<Reloader> reloader);

  // As those of the reloader. Without one there is no problem, and nothing to do.
  void Ask(std::string cause, Reloader::Done done);
  std::string problem() const;
  std::vector<std::string> needs_restart() const;
  void Tick();
  bool awaited() const;
  void Stop();

 private:
  std::unique_ptr<Reconfigurer> reconfigurer_;
  std::unique_ptr<Reloader> owned_;
  // The same, for other threads; null at first.
  std::atomic<Reloader*> reloader_{nullptr};
};

}  // namespace entropyd
