use std::net::IpAddr;

use super::{Accounts, settle};
use crate::account::secret_code::{CONFIRM_DIGITS, SecretCodes};
use crate::account::{
    Account, AccountError, AccountRecord, ConfirmBy, Disclosure, DisplayName, Email, ExternalId,
    Handle, NameKey, NameKind, NewAccount, PasswordHash, Pending, Registered, Verification,
};
use crate::error::Invalid;
use crate::id::{UserId, random_string};
use crate::store::Naming;

/// How many unconfirmed registrations of one address are kept at once.
const PENDING_PER_EMAIL: usize = 5;

/// What a [`NewAccount`] says, parsed.
struct Wanted {
    id: Option<UserId>,
    handle: Option<Handle>,
    email: Option<Email>,
    display_name: DisplayName,
    external_id: Option<ExternalId>,
}

impl Accounts {
    /// Counts a registration from `addr` ahead of time: for a caller who has costly work to do before
    /// [`register`](Self::register), which counts it again unless it is given no address.
    ///
    /// # Errors
    /// [`RateLimited`](AccountError::RateLimited).
    pub fn count_registration(&self, addr: Option<IpAddr>) -> Result<(), AccountError> {
        Ok(self.inner.throttles.register(addr)?)
    }

    /// Registers someone.
    ///
    /// With a handle the account is there at once; with an address alone it waits for the mailed code
    /// or link. An address that nobody has confirmed blocks nobody: it may be registered again, and
    /// whoever proves it first has it. An address that is already someone's is answered like any
    /// other, unless the caller asked to be told; its owner gets a mail that says so.
    ///
    /// # Errors
    /// [`Invalid`](AccountError::Invalid) and [`Taken`](AccountError::Taken) name every field at
    /// fault; [`RateLimited`](AccountError::RateLimited); [`Mail`](AccountError::Mail) if the account
    /// waits for a mail that was not sent.
    pub async fn register(&self, new: NewAccount) -> Result<Registered, AccountError> {
        self.inner.throttles.register(new.addr)?;
        let wanted = parse(&new)?;
        let taken = self.taken(&wanted, new.disclosure).await?;
        if !taken.is_empty() {
            return Err(AccountError::Taken(taken));
        }
        if let Some(email) = &wanted.email {
            self.inner.throttles.mail(&email.key().key, new.addr)?;
        }
        let password = self.inner.hasher.hash(&new.password).await?;
        let (this, by, disclosure) = (self.clone(), new.confirm_by, new.disclosure);
        settle(async move { this.register_parsed(wanted, password, by, disclosure).await }).await
    }

    /// Mails a proof for an address that shall be added to an account, or replace the one it has.
    ///
    /// # Errors
    /// [`Invalid`](AccountError::Invalid), [`NotFound`](AccountError::NotFound),
    /// [`RateLimited`](AccountError::RateLimited), [`Mail`](AccountError::Mail).
    pub async fn add_email(
        &self,
        user: &UserId,
        email: &str,
        by: ConfirmBy,
    ) -> Result<Email, AccountError> {
        let email = Email::parse(email)?;
        self.inner.throttles.mail(&email.key().key, None)?;
        self.account(user).await?;
        let (this, pending) = (self.clone(), Pending::AddEmail { user: user.clone() });
        settle(async move {
            this.ask_for_proof(&email, pending, by).await?;
            Ok(email)
        })
        .await
    }

    async fn register_parsed(
        &self,
        wanted: Wanted,
        password: PasswordHash,
        by: ConfirmBy,
        disclosure: Disclosure,
    ) -> Result<Registered, AccountError> {
        let Wanted { id, handle, email, display_name, external_id } = wanted;
        if handle.is_none()
            && let Some(email) = email
        {
            // Again, now that the hashing is done: someone may have confirmed it meanwhile.
            if disclosure == Disclosure::Tell && self.holder(&email.key()).await?.is_some() {
                return Err(AccountError::Taken(vec![NameKind::Email]));
            }
            let pending = Pending::Register { password, display_name, external_id };
            self.ask_for_proof(&email, pending, by).await?;
            return Ok(Registered::Pending { email });
        }
        let account = Account {
            id: id.unwrap_or_else(|| UserId::random(self.random())),
            handle,
            email: None,
            display_name,
            external_id,
            avatar: None,
            created_at: self.now(),
            disabled: false,
        };
        self.create(AccountRecord { account: account.clone(), password, generation: 0 }).await?;
        let Some(email) = email else { return Ok(Registered::Ready { account, confirm: None }) };
        let pending = Pending::AddEmail { user: account.id.clone() };
        match self.ask_for_proof(&email, pending, by).await {
            Ok(()) => Ok(Registered::Ready { account, confirm: Some(email) }),
            // The account is there and usable; its address can be added later.
            Err(AccountError::Mail(_)) => Ok(Registered::Ready { account, confirm: None }),
            Err(error) => Err(error),
        }
    }

    /// Stores what waits for the proof, then mails the key to it. An address that an account holds
    /// costs and answers the same, but nothing waits that could be proved.
    async fn ask_for_proof(
        &self,
        email: &Email,
        pending: Pending,
        by: ConfirmBy,
    ) -> Result<(), AccountError> {
        let inner = &self.inner;
        let known = self.holder(&email.key()).await?.is_some();
        let id = random_string::<12>(self.random());
        let (secret, ttl) = match by {
            ConfirmBy::Code => {
                (SecretCodes::code(self.random(), CONFIRM_DIGITS), inner.settings.code_ttl)
            }
            ConfirmBy::Link => (SecretCodes::token(self.random()), inner.settings.link_ttl),
        };
        let (code, link, mail) = match by {
            _ if known => (None, None, inner.templates.already_registered(email)),
            ConfirmBy::Code => {
                let hash = inner.codes.hash("confirm", &id, &secret);
                (Some(hash), None, inner.templates.confirm_code(email, &secret, ttl))
            }
            ConfirmBy::Link => {
                let hash = inner.codes.hash("link", "", &secret);
                (None, Some(hash), inner.templates.confirm_link(email, &secret, ttl))
            }
        };
        let now = self.now();
        let verification = Verification {
            id,
            email: email.clone(),
            pending,
            code,
            link,
            tries: 0,
            created_at: now,
            expires_at: now.after(ttl),
        };
        inner.parts.verifications.put_verification(&verification, PENDING_PER_EMAIL).await?;
        self.mail(mail).await
    }

    /// Stores a new account.
    pub(super) async fn create(&self, record: AccountRecord) -> Result<(), AccountError> {
        match self.inner.parts.accounts.create_account(&record).await? {
            Naming::Done => Ok(()),
            Naming::Taken(kinds) => Err(AccountError::Taken(kinds)),
            Naming::NoSuchAccount => Err(AccountError::Internal),
        }
    }

    /// Who holds a name, in any of its forms.
    async fn holder(&self, key: &NameKey) -> Result<Option<AccountRecord>, AccountError> {
        Ok(self.inner.parts.accounts.account_by_name(key).await?)
    }

    /// What of the wanted names is held by others, before a password is hashed for nothing. The store
    /// decides in the end.
    async fn taken(
        &self,
        wanted: &Wanted,
        disclosure: Disclosure,
    ) -> Result<Vec<NameKind>, AccountError> {
        let mut keys: Vec<NameKey> = wanted.handle.iter().flat_map(Handle::keys).collect();
        if disclosure == Disclosure::Tell {
            keys.extend(wanted.email.iter().map(Email::key));
        }
        keys.extend(wanted.external_id.iter().map(ExternalId::key));
        let mut taken = Vec::new();
        for key in keys {
            if !taken.contains(&key.kind) && self.holder(&key).await?.is_some() {
                taken.push(key.kind);
            }
        }
        Ok(taken)
    }
}

/// Parses every field, so that all problems are told at once.
fn parse(new: &NewAccount) -> Result<Wanted, AccountError> {
    let mut problems: Vec<Invalid> = Vec::new();
    let mut keep = |problem: Invalid| problems.push(problem);
    if new.handle.is_none() && new.email.is_none() {
        keep(Invalid::new("handle", "must be given, or an e-mail address"));
    }
    let handle = new.handle.as_deref().map(Handle::parse).transpose().map_err(&mut keep);
    let email = new.email.as_deref().map(Email::parse).transpose().map_err(&mut keep);
    let named = new.display_name.as_deref().map(DisplayName::parse).transpose();
    let named = named.map_err(&mut keep);
    let external_id = new.external_id.as_deref().map(ExternalId::parse).transpose();
    let external_id = external_id.map_err(&mut keep);
    let _ = new.password_rules.check(&new.password).map_err(&mut keep);
    let (Ok(handle), Ok(email), Ok(named), Ok(external_id), true) =
        (handle, email, named, external_id, problems.is_empty())
    else {
        return Err(AccountError::Invalid(problems));
    };
    let display_name = match (named, &handle, &email) {
        (Some(name), _, _) => name,
        (None, Some(handle), _) => DisplayName::parse(handle.as_str())?,
        (None, None, Some(email)) => {
            let local = email.as_str().split('@').next().unwrap_or_default();
            DisplayName::parse(local)?
        }
        (None, None, None) => return Err(AccountError::Internal),
    };
    Ok(Wanted { id: new.id.clone(), handle, email, display_name, external_id })
}
