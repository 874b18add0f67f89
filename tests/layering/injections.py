"""What layering_test.py must find, and the arrows that must never be: written here once more, so that nobody allows
one by a stroke in the table of CONTRIBUTING.md."""

# (who, never includes, except): rooms by pattern. A folder's own files are its name alone.
NEVER = [
    ("base/*", ["client*", "server*", "hostagent*"], []),
    ("base/class_tree", ["*"], []),
    ("base/process", ["*"], []),
    ("base/text", ["*"], []),
    ("client*", ["server*", "hostagent*"], []),
    ("client", ["client/*"], []),
    ("client/*", ["client/ctl"], []),
    ("client/process", ["client/*"], []),
    ("client/pki", ["client*"], []),
    ("server/*", ["client*", "hostagent*", "server", "server/rpc"], []),
    ("hostagent/*", ["client/*", "server*", "hostagent", "hostagent/handover", "hostagent/control"], []),
    ("server/driver", ["server/*"], []),
    ("server/health", ["server/*"], []),
    ("server/source", ["server/*"], ["server/driver", "server/health"]),
    ("server/pool", ["server/*"], ["server/driver", "server/source"]),
    ("server/supply", ["server/*"], ["server/driver", "server/health", "server/pool", "server/source"]),
    ("server/classes", ["server/*"], []),
    ("server/dispatch", ["server/*"], ["server/classes", "server/pool"]),
    ("server/attach", ["server/*"], ["server/dispatch", "server/pool"]),
    ("server/access", ["server/*"], ["server/classes"]),
    ("server/door", ["server/*", "proto"], []),
    ("server/reload", ["server/*", "proto"], []),
    ("hostagent/loop", ["hostagent/*"], []),
    ("hostagent/serving", ["hostagent/*"], ["hostagent/loop"]),
    ("hostagent/endpoint", ["hostagent/*"], ["hostagent/loop"]),
    ("hostagent/identity", ["hostagent/*"], ["hostagent/loop"]),
    ("hostagent/upstream", ["hostagent/*"], ["hostagent/serving"]),
    ("hostagent/guest", ["hostagent/feed", "hostagent/upstream"], []),
    ("hostagent/feed", ["hostagent/identity", "hostagent/upstream"], []),
    ("hostagent/handover", ["hostagent/upstream", "hostagent/control"], []),
    ("hostagent/control", ["hostagent/upstream", "hostagent/handover"], []),
]

ATTACH = "server/attach/session.h"
DISPATCH_TO_ATTACH = f"server/dispatch/ may not include {ATTACH}"
FROM_THE_ROOT = "include from the root"

# (folder of a new file, its text, what must be said)
INJECTIONS = [
    # between top folders
    ("base/process", '#include "server/pool/pool.h"', "may not include server/pool/pool.h"),
    ("hostagent", '#include "client/pki/pki.h"', "may not include client/pki/"),
    ("server/pool", '#include "server/server.h"', "may not include server/server.h"),
    ("server/pool", '#include "tests/server/pool/fake.h"', "no part of a program"),
    ("server", "#include <tests/server/pool/fake.h>", "no part of a program"),
    ("server", '#include "build/release/gen/x.h"', "no part of a program"),
    ("server/next_room", '#include "base/process/clock.h"', "has no row in CONTRIBUTING.md"),
    ("server/pool/inner", "", "has no row in CONTRIBUTING.md"),
    # the library is below the rooms of its folder
    ("client", '#include "client/show/table.h"', "client/ may not include client/show/table.h"),
    ("client", '#include "client/ctl/commands.h"', "client/ may not include client/ctl/commands.h"),
    ("server", '#include "server/pool/entropy_pool.h"', None),
    # other ways to write an include
    ("server/dispatch", f"#include <{ATTACH}>", DISPATCH_TO_ATTACH),
    ("server/dispatch", f"  #  include\t\"{ATTACH}\"  // why", DISPATCH_TO_ATTACH),
    ("server/dispatch", f'/**/ #include "{ATTACH}"', DISPATCH_TO_ATTACH),
    ("server/dispatch", f'#/**/include/* and\n more */"{ATTACH}"', DISPATCH_TO_ATTACH),
    ("server/dispatch", f'#inc\\\nlude "{ATTACH}"', DISPATCH_TO_ATTACH),
    ("server/dispatch", f'%:include "{ATTACH}"', DISPATCH_TO_ATTACH),
    ("server/dispatch", f"const char* s = R\"(/*)\";\n#include \"{ATTACH}\"", DISPATCH_TO_ATTACH),
    ("server/dispatch", f"const char* s = \"/*\";\n#include \"{ATTACH}\"", DISPATCH_TO_ATTACH),
    ("server/dispatch", f'const char* s = FOR"(/*";\n#include "{ATTACH}"\n// )"', DISPATCH_TO_ATTACH),
    ("server/dispatch", f"const auto* s = u8R\"(/*)\";\n#include \"{ATTACH}\"", DISPATCH_TO_ATTACH),
    ("server/dispatch", f'// #include "{ATTACH}"', None),
    ("server/dispatch", f'/*\n#include "{ATTACH}"\n*/', None),
    ("server/dispatch", f'const char* s = R"(\n#include "{ATTACH}"\n)";', None),
    ("server/dispatch", '#include "server/classes/../attach/session.h"', FROM_THE_ROOT),
    ("server/dispatch", '#include "base/../server/pool/pool.h"', FROM_THE_ROOT),
    ("server/dispatch", '#include "../attach/session.h"', FROM_THE_ROOT),
    ("server/dispatch", '#include "./../attach/session.h"', FROM_THE_ROOT),
    ("server/dispatch", f"#include <./{ATTACH}>", FROM_THE_ROOT),
    ("server/dispatch", f'#include "/src/{ATTACH}"', FROM_THE_ROOT),
    ("server/dispatch", f'#include "server//attach/session.h"', FROM_THE_ROOT),
    ("server/dispatch", '#include "mailbox.h"', FROM_THE_ROOT),
    ("server/dispatch", '#include <attach/session.h>', FROM_THE_ROOT),
    ("server/dispatch", '#include "session.h"', FROM_THE_ROOT),
    ("server/dispatch", f'#define S "{ATTACH}"\n#include S', "write the name itself"),
    ("server/dispatch", f'#import "{ATTACH}"', "nobody but #include"),
    ("server/dispatch", f'#include_next "{ATTACH}"', "nobody but #include"),
    ("server/dispatch", f'import "{ATTACH}";', "no module"),
    ("server/dispatch", '#include "server/dispatch/mailbox.cc"', "is no header"),
    # classes of other rooms
    ("server/dispatch", "namespace entropyd {\nclass Session;\n}", "names Session of server/attach/"),
    ("server/source", "namespace entropyd {\nclass EntropyPool;\n}", "names EntropyPool of server/pool/"),
    ("server/dispatch", "namespace entropyd {\nclass Claimant;\n}", None),
    ("server/dispatch", "namespace elsewhere {\nclass Session;\n}", None),
    # gRPC
    ("base/process", '#include "grpcpp/grpcpp.h"', "gRPC is for the files"),
    ("server/dispatch", "#include <grpcpp/grpcpp.h>", "gRPC is for the files"),
    ("server/dispatch", '#include "proto/entropy.grpc.pb.h"', "gRPC is for the files"),
    ("server/dispatch", '#include "base/wire/grpc_credentials.h"', "gRPC is for the files"),
    ("hostagent/upstream", '#include "client/blocking_call.h"', "gRPC is for the files"),
    ("hostagent/guest", "#include <grpcpp/grpcpp.h>", "gRPC is for the files"),
]

# (new proto file's text, what must be said)
PROTOS = [
    ('import "server/x.proto";', "proto/ may not include server/x.proto"),
    ('import public "server/x.proto";', "proto/ may not include server/x.proto"),
    ('import weak "server/x.proto";', "proto/ may not include server/x.proto"),
    ("import/**/'server/x.proto';", "proto/ may not include server/x.proto"),
    ('syntax = "proto3"; import\n"server/x.proto";', "proto/ may not include server/x.proto"),
    ('import "proto/../server/x.proto";', FROM_THE_ROOT),
]

# Files that nobody reads, by their path.
ENDINGS = ["server/dispatch/injected.inc", "server/dispatch/injected.cpp", "server/dispatch/injected.hpp",
           "base/text/injected.H", "client/injected", "proto/injected.txt", "tests/server/pool/injected.inc"]

# (what, what must be said, new file, its text, a text of CONTRIBUTING.md, what stands there instead)
TABLES = [
    ("an arrow that nobody uses", "base/text/ may include base/wire/, and does not", "server/health/injected.h", "",
     "| `base/text/` | nothing |", "| `base/text/` | `base/wire/` |"),
    ("two rooms that include each other", "a circle: base/telemetry/ -> base/text/ -> base/telemetry/",
     "base/text/injected.h", '#include "base/telemetry/log.h"', "| `base/text/` | nothing |",
     "| `base/text/` | `base/telemetry/` |"),
    ("three rooms in a circle, by one header",
     "a circle: server/attach/ -> server/dispatch/ -> server/classes/ -> server/attach/", "server/classes/injected.h",
     '#include "server/attach/session.h"', "| `server/classes/` | `proto/` `base/` |",
     "| `server/classes/` | `proto/` `base/` `server/attach/session.h` |"),
    ("a room that may include the whole folder, and one of that folder", "a circle: client/ctl/ -> client/show/",
     "client/show/injected.h", '#include "client/ctl/commands.h"', "| `client/show/` | `proto/` `base/` |",
     "| `client/show/` | `proto/` `base/` `client/ctl/commands.h` |"),
    ("the library on one of its rooms", "a circle: client/ -> client/ctl/ -> client/",
     "client/injected.h", '#include "client/ctl/commands.h"', "| `client/` itself, the library | `proto/` `base/` |",
     "| `client/` itself, the library | `proto/` `base/` `client/ctl/commands.h` |"),
    ("an arrow that must never be", "hostagent/upstream/ may include hostagent/loop/timer.h: that must never be",
     "hostagent/upstream/injected.h", '#include "hostagent/loop/timer.h"',
     "| `hostagent/upstream/` | `proto/` `base/` `client/*.h` `hostagent/serving/` |",
     "| `hostagent/upstream/` | `proto/` `base/` `client/*.h` `hostagent/serving/` `hostagent/loop/timer.h` |"),
    ("a file that needs no gRPC", "lists base/text/utf8.h, which includes none", "server/health/injected.h", "",
     "`base/wire/grpc_log.cc`,", "`base/text/utf8.h`, `base/wire/grpc_log.cc`,"),
    ("a name that nobody uses", "lists Session in server/pool/, which is not there", "server/health/injected.h", "",
     "`PeerCertificate` in `server/attach/`", "`PeerCertificate` in `server/attach/`, `Session` in `server/pool/`"),
]

# Tests by their path, and what must be said of them; None: nothing.
MISPLACED = {
    "tests/server/new_room/injected_test.cc": "there is no server/new_room/",
    "tests/server/pool/gate_test.cc": "has the name of a file in server/access/",
    "tests/server/gate_test.cc": "has the name of a file in server/access/",
    "tests/server/pool/server_test.cc": "has the name of a file in server/;",
    "tests/client/fair_queue_test.cc": "has the name of a file in hostagent/serving/",
    "tests/server/access/gate_test.cc": None,
    "tests/server/pool/injected_test.cc": None,
    "tests/server/injected_test.cc": None,
    "tests/server/pool/fake_gate.h": None,
    "tests/fuzz/gate_test.cc": None,
}
