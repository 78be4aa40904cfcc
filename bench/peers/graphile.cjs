// graphile-worker: node graphile.cjs prepare | fill <number> | work [local] | submit <seconds>
// Its own defaults; `local` adds the preset that its documentation gives for throughput.
const { makeWorkerUtils, run, Logger } = require("graphile-worker");

const connectionString = process.env.DATABASE_URL;
const logger = new Logger(() => (level, message) => { if (level === "error") console.error(message); });
const BATCH = 1000;
const LOCAL = {
  worker: {
    connectionString, concurrentJobs: 24, maxPoolSize: 26,
    localQueue: { size: 500, refetchDelay: { durationMs: 10 } },
    completeJobBatchDelay: 0, failJobBatchDelay: 0,
  },
};
const DEFAULT = { worker: { connectionString, concurrentJobs: 24, maxPoolSize: 26 } };

const specs = (begin, number) => Array.from({ length: number }, (_, i) => (
  { identifier: "add", payload: { x: begin + i, y: 1 } }));

async function withUtils(use) {
  const utils = await makeWorkerUtils({ connectionString, logger, maxPoolSize: 10 });
  try { await use(utils); } finally { await utils.release(); }
}

const prepare = () => withUtils((utils) => utils.migrate());

const fill = (number) => withUtils(async (utils) => {
  for (let begin = 0; begin < number; begin += BATCH) {
    await utils.addJobs(specs(begin, Math.min(BATCH, number - begin)));
  }
});

async function work(kind) {
  const preset = kind === "local" ? LOCAL : DEFAULT;
  const runner = await run({ preset, logger, noHandleSignals: false,
    taskList: { add: async ({ x, y }) => x + y } });
  await runner.promise;
}

const submit = (seconds) => withUtils(async (utils) => {
  await utils.addJobs(specs(0, BATCH));
  const began = process.hrtime.bigint();
  const elapsed = () => Number(process.hrtime.bigint() - began) / 1e9;
  let number = 0;
  const hand = async () => {
    while (elapsed() < seconds) { await utils.addJobs(specs(number, BATCH)); number += BATCH; }
  };
  await Promise.all([hand(), hand(), hand()]);
  console.log(number / elapsed());
});

const [verb, argument] = process.argv.slice(2);
({ prepare, fill, work, submit })[verb](verb === "work" ? argument : Number(argument)).catch((error) => {
  console.error(error);
  process.exit(1);
});
