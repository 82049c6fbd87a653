// An SMSC on the package smpp. It writes down what its own codec reads, one JSON object a line, and does what the last
// two digits of the number say; receipts are repeated until they are taken, and kept while nobody is bound.
//   node smsc.mjs PORT FILE [RATE] [KEY CERTIFICATE]      (FILE "-": writes nothing down; RATE 0: no throttling)
// SMSC_ANSWERS_AFTER: milliseconds before a message is answered.
import { appendFileSync, readFileSync } from "node:fs";
import smpp from "smpp";

const [port, file, rate, key, certificate] = process.argv.slice(2);
const REFUSALS = { "08": 0x08, "10": 0x0a, "13": 0x0b, "14": 0x14, "58": 0x58 };
const STATES = { DELIVRD: 2, EXPIRED: 3, UNDELIV: 5 };
const RECEIVES = ["bind_transceiver", "bind_receiver"];
const PAUSE = Number(process.env.SMSC_ANSWERS_AFTER ?? 0);
const bound = new Set();
const kept = [];
let ids = 1000, window = [0, 0];

function record(entry) {
  const moment = Number(process.hrtime.bigint()) / 1e9; // CLOCK_MONOTONIC, which all processes of a machine share
  if (file !== "-") appendFileSync(file, JSON.stringify({ ...entry, moment }) + "\n");
}

function tooMany() {
  const second = Math.floor(Date.now() / 1000);
  window = window[0] === second ? [second, window[1] + 1] : [second, 1];
  return Number(rate) && window[1] > Number(rate);
}

function deliver(receipt) {
  const session = [...bound].find((one) => one.receives);
  if (!session) return kept.push(receipt);
  const { id, state, error, submit } = receipt;
  const text = `id:${id} sub:001 dlvrd:001 submit date:2602150155 done date:2602150156 stat:${state} err:${error} text:x`;
  const again = setTimeout(() => { bound.delete(session); deliver(receipt); }, 3000);
  session.deliver_sm({
    source_addr_ton: 1, source_addr_npi: 1, source_addr: submit.destination_addr,
    dest_addr_ton: 5, destination_addr: submit.source_addr, esm_class: 4, short_message: text,
    receipted_message_id: id, message_state: STATES[state],
  }, (answer) => {
    clearTimeout(again);
    record({ receipt: id, status: answer.command_status });
    if (answer.command_status) setTimeout(deliver, 50, receipt);
  });
}

function written(submit, how) {
  const { message, udh } = submit.short_message;
  return {
    bind: how, service: submit.service_type, text: message, udh: (udh ?? []).map((part) => part.toString("hex")),
    source: [submit.source_addr_ton, submit.source_addr_npi, submit.source_addr],
    to: [submit.dest_addr_ton, submit.dest_addr_npi, submit.destination_addr],
    coding: submit.data_coding, esm_class: submit.esm_class, registered: submit.registered_delivery,
    valid_for: (submit.validity_period - Date.now()) / 1000,
  };
}

function take(session, submit) {
  const ending = submit.destination_addr.slice(-2);
  const entry = written(submit, session.how);
  const status = REFUSALS[ending] ?? (tooMany() ? 0x58 : 0);
  record({ submit: entry, status, at: Date.now() });
  if (status) return session.send(submit.response({ command_status: status }));
  const id = String(++ids);
  const receipt = { id, state: "DELIVRD", error: "000", submit };
  if (ending === "11") Object.assign(receipt, { state: "UNDELIV", error: "011" });
  if (ending === "40") deliver(receipt);
  const answer = () => session.send(submit.response({ message_id: id }));
  if (PAUSE) setTimeout(answer, PAUSE); else answer();
  if (ending === "40") return;
  if (ending === "50") {
    const late = entry.valid_for < 1.5;
    if (late) Object.assign(receipt, { state: "EXPIRED" });
    return setTimeout(deliver, late ? 1000 * entry.valid_for : 1500, receipt);
  }
  if (ending === "42") session.destroy(); // the answer may be lost with it, the receipt is not
  if (ending === "61") session.unbind(() => { record({ unbound: true }); session.close(); });
  if (PAUSE) setTimeout(deliver, 2 * PAUSE, receipt); else setImmediate(deliver, receipt);
  if (ending === "41") setImmediate(deliver, receipt);
}

function serve(session) {
  session.on("error", () => session.destroy());
  session.on("close", () => bound.delete(session));
  for (const kind of ["bind_transceiver", "bind_transmitter", "bind_receiver"]) {
    session.on(kind, (asked) => {
      const status = asked.system_id !== "massar" ? 0x0f : asked.password === "p@s:w/rd" ? 0 : 0x0e;
      session.send(asked.response({ command_status: status, system_id: "SMSC" }));
      record({ bind: kind, status, version: asked.interface_version, type: asked.system_type });
      if (status) return;
      Object.assign(session, { how: kind, receives: RECEIVES.includes(kind) });
      bound.add(session);
      if (session.receives) kept.splice(0).forEach(deliver);
    });
  }
  session.on("submit_sm", (submit) => take(session, submit));
  session.on("enquire_link", (asked) => { record({ enquired: true }); session.send(asked.response()); });
  session.on("unbind", (asked) => { record({ goodbye: true }); session.send(asked.response(), undefined, () => session.close()); });
}

const secure = key ? { key: readFileSync(key), cert: readFileSync(certificate) } : {};
smpp.createServer(secure, serve).listen(Number(port), "127.0.0.1");
