// pg-boss: node pgboss.cjs prepare | fill <number> | work | submit <seconds>
const PgBoss = require("pg-boss");

const BATCH = 1000;
const WORK_BATCH = 500;
const specs = (begin, number = BATCH) => Array.from({ length: number }, (_, i) => ({ name: "add", data: { x: begin + i, y: 1 } }));

async function withBoss(use) {
  const boss = new PgBoss({ connectionString: process.env.DATABASE_URL, max: 10, supervise: false, schedule: false });
  boss.on("error", console.error);
  await boss.start();
  try { await use(boss); } finally { await boss.stop({ graceful: false }); }
}

const prepare = () => withBoss((boss) => boss.createQueue("add"));

const fill = (number) => withBoss(async (boss) => {
  for (let begin = 0; begin < number; begin += BATCH) {
    await boss.insert(specs(begin, Math.min(BATCH, number - begin)));
  }
});

// A worker asks at most twice a second, unless it is notified: the documented way to fetch the next batch at once.
async function work() {
  const boss = new PgBoss({ connectionString: process.env.DATABASE_URL, max: 10, schedule: false });
  boss.on("error", console.error);
  await boss.start();
  const id = await boss.work("add", { batchSize: WORK_BATCH, pollingIntervalSeconds: 0.5 }, async (jobs) => {
    boss.notifyWorker(id);
    return jobs.map(({ data: { x, y } }) => x + y);
  });
}

const submit = (seconds) => withBoss(async (boss) => {
  await boss.insert(specs(0));
  const began = process.hrtime.bigint();
  const elapsed = () => Number(process.hrtime.bigint() - began) / 1e9;
  let number = 0;
  const hand = async () => {
    while (elapsed() < seconds) { await boss.insert(specs(number)); number += BATCH; }
  };
  await Promise.all([hand(), hand(), hand()]);
  console.log(number / elapsed());
});

const [verb, argument] = process.argv.slice(2);
({ prepare, fill, work, submit })[verb](Number(argument)).catch((error) => { console.error(error); process.exit(1); });
