"""Words that should not become an organization's subdomain, and why.

Somebody who owns `mail.example.com` or `login.example.com` can be taken for whoever runs the
server, or stands in the way of a name that the network itself will need one day. The words are
listed in the singular; `is_reserved` knows their plurals.
"""

from __future__ import annotations

RESERVED_BY_REASON = {
    "the name of a machine or network service": """
        www www1 www2 web ftp sftp ssh telnet mail mail1 mail2 webmail email smtp imap pop pop3 mx
        mx1 mx2 exchange relay bounce newsletter ns ns1 ns2 ns3 dns dhcp ntp time whois vpn proxy
        gateway router firewall loadbalancer lb cdn cache edge mirror node host server cluster
        localhost local localdomain intranet extranet internal lan wan wifi radius ldap kerberos
        nfs smb samba backup storage files file upload download image img video media asset static
        db database sql mysql postgres postgresql redis memcached rabbitmq queue broker search
        elastic git svn cvs repo repository registry docker kubernetes k8s ci jenkins build deploy
    """,
    "a name that programs look up by themselves": """
        autoconfig autodiscover wpad isatap broadcasthost broadcast well-known acme-challenge
        openpgpkey mta-sts sip turn stun xmpp jabber irc
    """,
    "the address of a role that strangers trust": """
        abuse admin administrator billing ceo compliance contact hostmaster info legal listmaster
        marketing moderator noc no-reply noreply notification operator owner postmaster press
        privacy root sales security staff support superuser sysadmin system trust usenet uucp
        webmaster
    """,
    "part of signing in or paying": """
        account auth authentication authorize cert certificate checkout connect invite invitation
        invoice join key login logout mfa oauth oauth2 oidc openid password pay payment plan
        pricing profile recover register registration reset saml secure session setting signin
        sign-in signout signup sign-up sso subscribe subscription token unsubscribe user username
        verify wallet webauthn
    """,
    "a page that the server's own site may need": """
        about api apps app article blog career case changelog chat cloud community company
        conference console customer dashboard demo developer doc documentation
        engineering event explore faq feature feedback forum guide help home job knowledge landing
        learn library manual map me mobile news okr onboarding organization org page partner
        policy portal product project promo public referral release roadmap rule service shop site
        status store story survey team template term tour translate tutorial university update
        webinar wiki
    """,
    "an environment of the server itself": """
        alpha beta canary dev development example lab monitor monitoring metric
        grafana graph nagios prometheus logs log preprod preview prod production qa sandbox
        sentry stage staging test testing trace uat
    """,
    "a name of the chat server or of one of its parts": """
        zulip zulipchat zulipinternal zulipbot zulip-bot welcome-bot notification-bot emailgateway
        email-gateway desktop electron android ios integration webhook bot push realm
        channel stream topic message tornado
    """,
    "another chat product, easily taken for an official one": """
        slack mattermost rocketchat rocket-chat discord element matrix teams microsoft google
        hangout skype zoom jitsi gitter whatsapp telegram signal facebook
    """,
}

REASONS = {word: reason for reason, words in RESERVED_BY_REASON.items() for word in words.split()}


def reason_reserved(word: str) -> str | None:
    """Why `word`, or what it is the plural of, is reserved; None when it is free."""
    return REASONS.get(word) or REASONS.get(word.removesuffix("s"))
