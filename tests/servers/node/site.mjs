// A site on openid-client: discovery, code flow with PKCE, refresh, userinfo, sign-out. One request, one JSON answer.
import { createServer } from "node:http";
import * as client from "openid-client";

const [issuer, port, secret] = process.argv.slice(2);
const self = `http://127.0.0.1:${port}`;
const config = await client.discovery(
  new URL(issuer), "node", undefined, client.ClientSecretPost(secret), { execute: [client.allowInsecureRequests] },
);
const waiting = new Map();

async function start(answer) {
  const verifier = client.randomPKCECodeVerifier();
  const [state, nonce] = [client.randomState(), client.randomNonce()];
  waiting.set(state, { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce });
  const to = client.buildAuthorizationUrl(config, {
    redirect_uri: `${self}/back`, scope: "openid profile email offline_access", state, nonce,
    code_challenge: await client.calculatePKCECodeChallenge(verifier), code_challenge_method: "S256",
  });
  answer.writeHead(302, { location: to.href }).end();
}

async function back(address, answer) {
  const tokens = await client.authorizationCodeGrant(config, address, waiting.get(address.searchParams.get("state")));
  const claims = tokens.claims();
  const told = await client.fetchUserInfo(config, tokens.access_token, claims.sub);
  const fresh = await client.refreshTokenGrant(config, tokens.refresh_token);
  const again = await client.refreshTokenGrant(config, tokens.refresh_token);
  await client.refreshTokenGrant(config, again.refresh_token);
  const reused = await client.refreshTokenGrant(config, tokens.refresh_token).then(() => "taken", (e) => e.error);
  const after = await client.fetchUserInfo(config, fresh.access_token, claims.sub).then(() => "taken", () => "refused");
  const leave = client.buildEndSessionUrl(config, { id_token_hint: tokens.id_token }).href;
  answer.writeHead(200, { "content-type": "application/json" });
  const rotated = fresh.refresh_token !== tokens.refresh_token, repeated = again.refresh_token === fresh.refresh_token;
  answer.end(JSON.stringify({ claims, told, rotated, repeated, reused, after, leave }));
}

createServer(async (request, answer) => {
  const address = new URL(request.url, self);
  try {
    await (address.pathname === "/back" ? back(address, answer) : start(answer));
  } catch (fault) {
    console.error(fault);
    answer.writeHead(500).end(String(fault));
  }
}).listen(Number(port), "127.0.0.1");
