# A site on ruby-saml, one step for each call: the step's name, the account's metadata, the site's address, the folder of its
# key. What came is on the input as JSON, what it makes of it on the output.
require "json"
require "onelogin/ruby-saml"

step, metadata, site, folder = ARGV
given = JSON.parse($stdin.read)
settings = OneLogin::RubySaml::IdpMetadataParser.new.parse(File.read(metadata))
settings.sp_entity_id = "#{site}/metadata"
settings.assertion_consumer_service_url = "#{site}/acs"
settings.single_logout_service_url = "#{site}/slo"
settings.name_identifier_format = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
settings.private_key = File.read("#{folder}/site.key")
settings.certificate = File.read("#{folder}/site.pem")
settings.soft = true
settings.security.merge!(
  authn_requests_signed: true, logout_requests_signed: true, logout_responses_signed: true, embed_sign: false,
  want_assertions_signed: true, want_messages_signed: true, strict_audience_validation: true,
  digest_method: XMLSecurity::Document::SHA256, signature_method: XMLSecurity::Document::RSA_SHA256,
)

said =
  case step
  when "login"
    request = OneLogin::RubySaml::Authrequest.new
    { to: request.create(settings), asked: request.uuid }
  when "acs"
    response = OneLogin::RubySaml::Response.new(
      given["SAMLResponse"], settings: settings, matches_request_id: given["asked"])
    if response.is_valid?
      { name_id: response.nameid, index: response.sessionindex, attributes: response.attributes.to_h, issuer: response.issuers }
    else
      { errors: response.errors }
    end
  when "logout"
    settings.name_identifier_value, settings.sessionindex = given["name_id"], given["index"]
    request = OneLogin::RubySaml::Logoutrequest.new
    { to: request.create(settings), asked: request.uuid }
  when "left"
    response = OneLogin::RubySaml::Logoutresponse.new(
      given["SAMLResponse"], settings, matches_request_id: given["asked"], get_params: given)
    { success: response.validate, errors: response.errors }
  when "asked"
    request = OneLogin::RubySaml::SloLogoutrequest.new(given["SAMLRequest"], settings: settings, get_params: given)
    if request.is_valid?
      { name_id: request.name_id, to: OneLogin::RubySaml::SloLogoutresponse.new.create(settings, request.id, nil) }
    else
      { errors: request.errors }
    end
  end
puts JSON.generate(said)
