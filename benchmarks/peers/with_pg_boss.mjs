// pg-boss: polls every 0.5 s (its least), batchSize 2000; a schedule is a queue of its own.
import { callAtRate, installed, inThousands, main, recorder } from "./protocol.mjs";

const PgBoss = installed("pg-boss");

async function boss(order, more = {}) {
  const it = new PgBoss({ connectionString: order.url, supervise: false, schedule: false, max: 12, ...more });
  it.on("error", (error) => console.error(error));
  await it.start();
  return it;
}

const queues = (order) => Array.from({ length: order.count }, (_, number) => `schedule-${number}`);

await main({
  setup: async (order) => {
    const it = await boss(order);
    await it.createQueue("noop");
  },
  schedule: async (order) => {
    const it = await boss(order, { schedule: true });
    for (const name of queues(order)) {
      await it.createQueue(name);
      await it.schedule(name, order.cron);
    }
  },
  fill: async (order) => {
    const it = await boss(order);
    await inThousands(order.count, (keys) => it.insert(keys.map((key) => ({ name: order.task, data: { key } }))));
  },
  trigger: async (order) => {
    const it = await boss(order);
    await callAtRate(order.count, order.rate, (key) => it.send("noop", { key }));
  },
  work: async (order) => {
    const start = recorder(order.tells);
    const it = await boss(order, { supervise: true, schedule: true, cronMonitorIntervalSeconds: 1, cronWorkerIntervalSeconds: 1 });
    const how = { batchSize: 2000, pollingIntervalSeconds: 0.5 };
    if (order.count === 0) await it.work("noop", how, async (jobs) => jobs.forEach((job) => start(job.data.key)));
    for (const name of queues(order)) await it.work(name, how, async (jobs) => jobs.forEach(() => start(name)));
  },
});
