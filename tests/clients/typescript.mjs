// Runs the official TypeScript SDK through the scenarios on stdin and prints, per name, what came of each.
// SDK_FOLDER is where it is installed; BASE_URL and TOKEN lead to the gateway.
import { createRequire } from "node:module";
import { text } from "node:stream/consumers";

const sdk = createRequire(`${process.env.SDK_FOLDER}/`)("@anthropic-ai/sdk");
const options = { baseURL: process.env.BASE_URL, maxRetries: 0, timeout: 30_000 };
const client = new sdk.Anthropic({ ...options, apiKey: process.env.TOKEN });
const { weather, errors } = JSON.parse(await text(process.stdin));

const plain = (fields = {}) => ({
  model: "kimi-k2",
  max_tokens: 1000,
  messages: [{ role: "user", content: "Hello, heron." }],
  ...fields,
});
const create = (fields, on = client) => on.messages.create(plain(fields));
const stream = (fields) => client.messages.stream(plain(fields)).finalMessage();

async function outcome(act) {
  try {
    return { value: await act() };
  } catch (error) {
    return {
      error: error.constructor.name,
      status: error.status ?? null,
      message: String(error.message),
      retryAfter: error.headers?.get("retry-after") ?? null,
    };
  }
}

async function toolLoop(ask) {
  const question = { role: "user", content: "How is the weather in Oslo?" };
  const first = await ask({ messages: [question], tools: [weather] });
  const call = first.content.at(-1);
  const result = { type: "tool_result", tool_use_id: call.id, content: "Rain, 4 degrees" };
  const messages = [question, { role: "assistant", content: first.content }, { role: "user", content: [result] }];
  return { first, second: await ask({ messages, tools: [weather] }) };
}

async function streamText() {
  const pieces = [];
  const message = await client.messages.stream(plain()).on("text", (piece) => pieces.push(piece)).finalMessage();
  return { pieces, message };
}

async function listModels() {
  const listed = [];
  for await (const model of client.models.list({ limit: 2 })) listed.push(model);
  return listed;
}

const scenarios = {
  create: () => create(),
  "bearer token": () => create({}, new sdk.Anthropic({ ...options, apiKey: null, authToken: process.env.TOKEN })),
  stream: streamText,
  "tool loop": () => toolLoop(create),
  "streamed tool loop": () => toolLoop(stream),
  thinking: () => stream({ model: "sim-thinking", thinking: { type: "adaptive" } }),
  "count tokens": () => client.messages.countTokens({ model: "kimi-k2", messages: plain().messages }),
  "list models": listModels,
  "retrieve model": () => client.models.retrieve("kimi-k2"),
  "retrieve unknown model": () => client.models.retrieve("no-such-model"),
  "wrong token": () => create({}, new sdk.Anthropic({ ...options, apiKey: "wrong" })),
  batches: () => client.messages.batches.list({ limit: 1 }),
};
for (const [name, fields] of Object.entries(errors)) {
  scenarios[`error: ${name}`] = () => create(fields);
  scenarios[`streamed error: ${name}`] = () => stream(fields);
}

const outcomes = {};
for (const [name, act] of Object.entries(scenarios)) outcomes[name] = await outcome(act);
console.log(JSON.stringify(outcomes));
