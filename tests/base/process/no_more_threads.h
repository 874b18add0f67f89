// As long as it lives, no thread can be started: it would need a stack of 256 TiB.
#pragma once

#include <pthread.h>

#include <cstddef>

namespace entropyd {

class NoMoreThreads {
 public:
  NoMoreThreads() {
    pthread_getattr_default_np(&before_);
    pthread_attr_t none;
    pthread_getattr_default_np(&none);
    pthread_attr_setstacksize(&none, size_t{1} << 48);
    pthread_setattr_default_np(&none);
    pthread_attr_destroy(&none);
  }
  NoMoreThreads(const NoMoreThreads&) = delete;
  NoMoreThreads& operator=(const NoMoreThreads&) = delete;
  ~NoMoreThreads() {
    pthread_setattr_default_np(&before_);
    pthread_attr_destroy(&before_);
  }

 private:
  pthread_attr_t before_;
};

}  // namespace entropyd
