// A site on node-saml: sign-in by Redirect, answers by POST, single logout both ways by Redirect. Who is there, as JSON.
import { createServer } from "node:http";
import { readFileSync } from "node:fs";
import { randomUUID } from "node:crypto";
import { SAML } from "@node-saml/node-saml";

const [account, port, folder] = process.argv.slice(2);
const self = `http://127.0.0.1:${port}`;
const metadata = await (await fetch(`${account}/saml/metadata`)).text();
const saml = new SAML({
  entryPoint: `${account}/saml/sso`, logoutUrl: `${account}/saml/slo`, idpIssuer: `${account}/saml/metadata`,
  idpCert: [...metadata.matchAll(/X509Certificate>([^<]+)</g)].map((found) => found[1]),
  issuer: `${self}/metadata`, callbackUrl: `${self}/acs`, logoutCallbackUrl: `${self}/slo`,
  privateKey: readFileSync(`${folder}/site.key`, "utf8"), publicCert: readFileSync(`${folder}/site.pem`, "utf8"),
  signatureAlgorithm: "sha256", digestAlgorithm: "sha256",
  identifierFormat: "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
  wantAssertionsSigned: true, wantAuthnResponseSigned: true, validateInResponseTo: "always",
});
const visits = new Map();

async function body(request) {
  let text = "";
  for await (const part of request) text += part;
  return Object.fromEntries(new URLSearchParams(text));
}

async function slo(address, session) {
  const query = Object.fromEntries(address.searchParams);
  const { profile } = await saml.validateRedirectAsync(query, address.search.slice(1));
  visits.delete(session);
  return profile ? saml.getLogoutResponseUrlAsync(profile, query.RelayState ?? "", {}, true) : "/";
}

async function answered(request, session) {
  const address = new URL(request.url, self);
  switch (address.pathname) {
    case "/login": return { to: await saml.getAuthorizeUrlAsync("", undefined, {}) };
    case "/acs": {
      const { profile } = await saml.validatePostResponseAsync(await body(request));
      visits.set(session, profile);
      return { to: "/" };
    }
    case "/logout": return { to: await saml.getLogoutUrlAsync(visits.get(session), "", {}) };
    case "/slo": return { to: await slo(address, session) };
    default: return { json: visits.get(session) ?? null };
  }
}

createServer(async (request, answer) => {
  const session = /node-saml=([\w-]+)/.exec(request.headers.cookie ?? "")?.[1] ?? randomUUID();
  const cookie = { "set-cookie": `node-saml=${session}; Path=/; HttpOnly` };
  try {
    const { to, json } = await answered(request, session);
    answer.writeHead(to ? 303 : 200, to ? { ...cookie, location: to } : { ...cookie, "content-type": "application/json" });
    answer.end(to ? "" : JSON.stringify(json));
  } catch (fault) {
    answer.writeHead(400, cookie).end(String(fault));
  }
}).listen(Number(port), "127.0.0.1");
