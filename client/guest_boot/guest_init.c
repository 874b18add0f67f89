/* /init of the test guest: the only program of a virtual machine that shows what a guest gets from
 * virtio-rng. It powers the machine off at the end.
 *
 * Kernel command line (all optional):
 *   entropyd.bytes=N   read N bytes from /dev/hwrng (0 = there is no device, do not try)
 *   entropyd.wait=S    give the kernel's generator S seconds to be seeded
 *   entropyd.dump=1    write the bytes that were read to the second serial port, raw
 *   entropyd.watch=N   read N bytes at a time for ever, with a device or without; never power off
 *   entropyd.pause=MS  rest so long between those reads (0: a request is under way at any moment)
 *
 * Says on the console, one fact a line:
 *   ENTROPYD-GUEST event=init uptime=1.02 kernel=6.1.0
 *   ENTROPYD-GUEST crng_seconds=1.44                        (or: crng_seconds=none waited=25.0)
 *   ENTROPYD-GUEST bytes=65536 seconds=0.214 sha256=5f...   (or: error=...)
 *   ENTROPYD-GUEST event=done
 * and with entropyd.watch, a line for each read and one whenever the device is gone:
 *   ENTROPYD-GUEST event=read number=17 uptime=3.310 waited=0.004
 *   ENTROPYD-GUEST event=no_device uptime=9.870 why=No such device
 *
 * Nothing here may wait in getrandom(2): since Linux 5.6 a kernel in which somebody waits makes
 * itself jitter entropy within a second, and what is asked is what it has without that.
 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

/* The guest has 256 MiB of memory, and keeps the bytes until the clock has stopped. */
#define MAX_BYTES (64UL << 20)
/* As much as dd and rngd ask for. The kernel splits it into the driver's 64-byte requests. */
#define READ_BYTES 4096

static double Now(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Prints one line on the console. Ends the present line first: the kernel may have begun one. */
static void Say(const char* format, ...) {
  char line[512];
  int length = snprintf(line, sizeof(line), "\nENTROPYD-GUEST ");
  va_list arguments;
  va_start(arguments, format);
  length += vsnprintf(line + length, sizeof(line) - (size_t)length - 1, format, arguments);
  va_end(arguments);
  if (length > (int)sizeof(line) - 2) length = (int)sizeof(line) - 2;
  line[length++] = '\n';
  for (int done = 0; done < length;) {
    ssize_t n = write(STDOUT_FILENO, line + done, (size_t)(length - done));
    if (n <= 0) return;
    done += (int)n;
  }
}

static void PowerOff(void) {
  tcdrain(STDOUT_FILENO);
  reboot(RB_POWER_OFF);
  _exit(0);
}

static unsigned long Option(const char* name) {
  static char line[4096];
  if (line[0] == '\0') {
    int fd = open("/proc/cmdline", O_RDONLY);
    ssize_t n = fd < 0 ? 0 : read(fd, line, sizeof(line) - 1);
    line[n > 0 ? n : 0] = '\0';
    close(fd);
  }
  const char* at = strstr(line, name);
  return at == NULL ? 0 : strtoul(at + strlen(name), NULL, 10);
}

static void LoadModule(const char* name) {
  char path[160];
  snprintf(path, sizeof(path), "/modules/%s", name);
  int fd = open(path, O_RDONLY);
  if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) != 0 && errno != EEXIST)) {
    Say("error=load_module_%s:_%s", name, strerror(errno));
  }
  if (fd >= 0) close(fd);
}

/* /modules.list has one file name a line, in the order in which to load them. */
static void LoadModules(void) {
  FILE* list = fopen("/modules.list", "r");
  char line[128];
  while (list != NULL && fgets(line, sizeof(line), list) != NULL) {
    line[strcspn(line, "\n")] = '\0';
    if (line[0] != '\0') LoadModule(line);
  }
  if (list != NULL) fclose(list);
}

/* Asks a hundred times a second, without waiting, until the kernel's generator is seeded. */
static void WatchSeeding(unsigned long wait_seconds) {
  const struct timespec pause = {0, 10 * 1000 * 1000};
  double start = Now(CLOCK_BOOTTIME);
  for (;;) {
    unsigned char byte;
    if (getrandom(&byte, 1, GRND_NONBLOCK) == 1) {
      Say("crng_seconds=%.2f", Now(CLOCK_BOOTTIME));
      return;
    }
    double waited = Now(CLOCK_BOOTTIME) - start;
    if (waited >= (double)wait_seconds) {
      Say("crng_seconds=none waited=%.1f", waited);
      return;
    }
    nanosleep(&pause, NULL);
  }
}

/* Writes raw bytes to the second serial port, which the host saves as a file. */
static void Dump(const unsigned char* bytes, size_t count) {
  int fd = open("/dev/ttyS1", O_WRONLY | O_NOCTTY);
  struct termios raw;
  if (fd < 0 || tcgetattr(fd, &raw) != 0) {
    Say("error=dump:_%s", strerror(errno));
    return;
  }
  cfmakeraw(&raw);
  raw.c_cflag |= CLOCAL;
  tcsetattr(fd, TCSANOW, &raw);
  while (count > 0) {
    ssize_t n = write(fd, bytes, count);
    if (n <= 0) {
      Say("error=dump:_%s", strerror(errno));
      break;
    }
    bytes += n;
    count -= (size_t)n;
  }
  tcdrain(fd);
  close(fd);
}

static void ReadDevice(size_t count, int dump) {
  unsigned char* bytes = malloc(count);
  int fd = open("/dev/hwrng", O_RDONLY);
  if (fd < 0 || bytes == NULL) {
    Say("error=open_/dev/hwrng:_%s", strerror(errno));
    return;
  }
  memset(bytes, 0, count); /* touches the pages before the clock starts */
  double start = Now(CLOCK_MONOTONIC);
  for (size_t have = 0; have < count;) {
    size_t want = count - have < READ_BYTES ? count - have : READ_BYTES;
    ssize_t n = read(fd, bytes + have, want);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      Say("error=read_/dev/hwrng_after_%zu_bytes:_%s", have, n == 0 ? "end" : strerror(errno));
      return;
    }
    have += (size_t)n;
  }
  double seconds = Now(CLOCK_MONOTONIC) - start;

  /* OpenSSL's old one-shot function: EVP would bring all of libcrypto into the initramfs. */
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256_CTX sha;
  SHA256_Init(&sha);
  SHA256_Update(&sha, bytes, count);
  SHA256_Final(digest, &sha);
  char hex[2 * SHA256_DIGEST_LENGTH + 1];
  for (int i = 0; i < SHA256_DIGEST_LENGTH; ++i) sprintf(hex + 2 * i, "%02x", digest[i]);
  Say("bytes=%zu seconds=%.4f sha256=%s", count, seconds, hex);
  if (dump) Dump(bytes, count);
}

static void Rest(unsigned long ms) {
  const struct timespec pause = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000 * 1000};
  nanosleep(&pause, NULL);
}

/* `waited` is the time from the first try of a read to its success, so the line that ends a stall
 * shows how long it was. The device may come, go and come again. */
static void Watch(size_t bytes, unsigned long pause_ms) {
  static unsigned char buffer[READ_BYTES];
  if (bytes > sizeof(buffer)) bytes = sizeof(buffer);
  unsigned long number = 0;
  int fd = -1, gone = 0;
  for (;;) {
    double start = Now(CLOCK_BOOTTIME);
    for (size_t have = 0; have < bytes;) {
      if (fd < 0) fd = open("/dev/hwrng", O_RDONLY);
      ssize_t n = fd < 0 ? -1 : read(fd, buffer + have, bytes - have);
      if (n < 0 && errno == EINTR) continue;
      if (n > 0) {
        have += (size_t)n;
        gone = 0;
        continue;
      }
      const char* why = n == 0 ? "end" : strerror(errno);
      if (!gone) Say("event=no_device uptime=%.3f why=%s", Now(CLOCK_BOOTTIME), why);
      gone = 1;
      if (fd >= 0) close(fd);
      fd = -1;
      Rest(50);
    }
    double now = Now(CLOCK_BOOTTIME);
    Say("event=read number=%lu uptime=%.3f waited=%.3f", ++number, now, now - start);
    if (pause_ms > 0) Rest(pause_ms);
  }
}

int main(void) {
  if (getpid() != 1) {
    fprintf(stderr,
            "entropyd-guest-init is the init of a test guest and powers the machine off:\n"
            "it only runs as process 1; see `entropyctl guest-boot`\n");
    return 2;
  }
  mkdir("/proc", 0755);
  mkdir("/dev", 0755);
  mount("proc", "/proc", "proc", 0, NULL);
  mount("dev", "/dev", "devtmpfs", 0, NULL);
  int console = open("/dev/console", O_RDWR);
  if (console >= 0) dup2(console, STDOUT_FILENO);

  struct utsname kernel;
  uname(&kernel);
  Say("event=init uptime=%.2f kernel=%s", Now(CLOCK_BOOTTIME), kernel.release);
  LoadModules();
  WatchSeeding(Option("entropyd.wait="));
  unsigned long count = Option("entropyd.bytes=");
  if (count > MAX_BYTES) count = MAX_BYTES;
  if (count > 0) ReadDevice(count, Option("entropyd.dump=") != 0);
  unsigned long watch = Option("entropyd.watch=");
  if (watch > 0) Watch(watch, Option("entropyd.pause="));
  Say("event=done");
  PowerOff();
}
