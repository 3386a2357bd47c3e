// protocol.py for Node: the same roles, orders and messages.
import { createRequire } from "node:module";

/** Of the peers' own folder of packages: nothing of them is in the repository. */
export const installed = createRequire(process.env.PEER_PACKAGES + "/");

const now = () => (performance.timeOrigin + performance.now()) / 1000;
const say = (message) => process.stdout.write(JSON.stringify(message) + "\n");

export function recorder(tells) {
  let starts = [];
  let timer = null;
  let hasTold = false;
  const tell = () => {
    timer = null;
    say({ starts });
    starts = [];
  };
  return (key) => {
    if (hasTold) return;
    starts.push([key, now()]);
    hasTold = tells === "first";
    timer ??= setTimeout(tell, hasTold ? 0 : 100);
  };
}

export async function callAtRate(count, rate, call) {
  const calls = [];
  for (let number = 0; number < count; number++) {
    const began = now();
    await call(String(number));
    calls.push([String(number), began]);
    await new Promise((done) => setTimeout(done, Math.max(0, 1000 / rate - (now() - began) * 1000)));
  }
  say({ calls });
}

export async function inThousands(count, put) {
  for (let first = 0; first < count; first += 1000) {
    await put(Array.from({ length: Math.min(1000, count - first) }, (_, index) => String(first + index)));
  }
}

export async function main(roles) {
  const [role, order] = [process.argv[2], JSON.parse(process.argv[3])];
  if (!(role in roles)) return;
  await roles[role](order);
  if (role !== "work") process.exit(0);
  process.on("SIGTERM", () => process.exit(0));
  say({ ready: true });
}
