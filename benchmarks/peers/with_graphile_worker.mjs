// graphile-worker: one pool, concurrency as the order says, its local queue and batched completion, as its manual advises for speed.
import { callAtRate, installed, inThousands, main, recorder } from "./protocol.mjs";

const { Logger, makeWorkerUtils, parseCronItems, run } = installed("graphile-worker");
const logger = new Logger(() => () => {});
const utils = (order) => makeWorkerUtils({ connectionString: order.url, logger });

await main({
  setup: async (order) => (await utils(order)).migrate(),
  fill: async (order) => {
    const it = await utils(order);
    await inThousands(order.count, (keys) =>
      it.addJobs(keys.map((key) => ({ identifier: order.task, payload: { key } }))),
    );
  },
  trigger: async (order) => {
    const it = await utils(order);
    await callAtRate(order.count, order.rate, (key) => it.addJob("noop", { key }));
  },
  work: async (order) => {
    const start = recorder(order.tells);
    const items = Array.from({ length: order.count }, (_, number) => ({
      task: "noop", match: order.cron, identifier: `schedule ${number}`, payload: { key: `schedule ${number}` },
    }));
    const fast = { localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 };
    await run({
      preset: { worker: { connectionString: order.url, concurrentJobs: order.concurrency, maxPoolSize: 12, ...fast } },
      logger, noHandleSignals: true, parsedCronItems: parseCronItems(items),
      taskList: { noop: async (payload) => start(payload.key) },
    });
  },
});
