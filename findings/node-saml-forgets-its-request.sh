#!/usr/bin/env bash
# node-saml forgets that it asked as soon as any answer to that request was refused; the right answer that follows is refused too.
#
# Seen with: @node-saml/node-saml 5.1.0 (validateInResponseTo "always"), under Passport's SAML strategy.
# Why it matters: an answer that was cut or spoilt on the way (a proxy, a reload of half a form) cannot be sent again. The second,
# right one fails with "InResponseTo is not valid", which looks like a fault of the account; the person has to begin anew.
# Ours: tests/servers/test_node_saml.py::test_an_answer_that_was_changed_is_refused_and_its_request_is_used_up.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cd "$folder"
npm install --silent --no-audit --no-fund --prefix "$folder" @node-saml/node-saml@5.1.0 >/dev/null
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=account -keyout key.pem -out cert.pem 2>openssl.log
echo "version:  node-saml $(node -p 'require("./node_modules/@node-saml/node-saml/package.json").version')"

cat >site.cjs <<'NODE'
const { readFileSync } = require("node:fs");
const { SAML } = require("@node-saml/node-saml");
const { signXml } = require("@node-saml/node-saml/lib/xml");
const { inflateRawSync } = require("node:zlib");

const saml = new SAML({
  entryPoint: "https://account.example/sso", idpIssuer: "https://account.example/", issuer: "https://site.example/",
  callbackUrl: "https://site.example/acs", audience: "https://site.example/", idpCert: readFileSync("cert.pem", "utf8"),
  wantAssertionsSigned: false, validateInResponseTo: "always",
});

/** What an account answers, by POST. */
function answer(asked) {
  const now = new Date().toISOString(), until = new Date(Date.now() + 60_000).toISOString();
  const xml = `<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_r" Version="2.0" IssueInstant="${now}" Destination="https://site.example/acs" InResponseTo="${asked}"><saml:Issuer>https://account.example/</saml:Issuer><samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status><saml:Assertion ID="_a" Version="2.0" IssueInstant="${now}"><saml:Issuer>https://account.example/</saml:Issuer><saml:Subject><saml:NameID>youssef</saml:NameID><saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData Recipient="https://site.example/acs" InResponseTo="${asked}" NotOnOrAfter="${until}"/></saml:SubjectConfirmation></saml:Subject><saml:Conditions NotOnOrAfter="${until}"><saml:AudienceRestriction><saml:Audience>https://site.example/</saml:Audience></saml:AudienceRestriction></saml:Conditions><saml:AuthnStatement AuthnInstant="${now}"><saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:Password</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement></saml:Assertion></samlp:Response>`;
  const by = { privateKey: readFileSync("key.pem", "utf8"), signatureAlgorithm: "sha256", digestAlgorithm: "sha256" };
  return signXml(xml, "/*", { reference: "/*/*[local-name()='Issuer']", action: "after" }, by);
}

async function asked() {
  const way = new URL(await saml.getAuthorizeUrlAsync("", undefined, {}));
  const request = inflateRawSync(Buffer.from(way.searchParams.get("SAMLRequest"), "base64")).toString();
  return /ID="([^"]+)"/.exec(request)[1];
}

async function comes(xml) {
  const sent = { SAMLResponse: Buffer.from(xml).toString("base64") };
  return saml.validatePostResponseAsync(sent).then(() => "taken", (fault) => `refused: ${fault.message}`);
}

(async () => {
  const straight = await comes(answer(await asked()));
  const right = answer(await asked());
  const spoilt = await comes(right.replace("youssef", "yous"));
  console.log(`${straight.split(":")[0]}; spoilt ${spoilt.split(":")[0]}, then ${await comes(right)}`);
})();
NODE
seen=$(node site.cjs)
echo "expected: taken; spoilt refused, then taken"
echo "seen:     $seen"
[ "$seen" = "taken; spoilt refused, then refused: InResponseTo is not valid" ]
