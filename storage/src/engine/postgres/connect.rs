//! Connections: how they are made, and the few that readers share.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_postgres::{Client, Config, NoTls, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::failed;
use super::queries::ReadError;
use super::tls;
use crate::error::StorageError;

/// Readers: the cache answers most reads.
const READERS: usize = 2;

/// Statements kept prepared on a connection. Names of event tables make new ones every minute.
const STATEMENTS_MAX: usize = 64;

/// Settings of every session. A transaction that stands still holds its lane's row, so the server ends it.
const SESSION: &str = "SET search_path = kplex; SET synchronous_commit = on; SET client_min_messages = warning;
    SET statement_timeout = '30s'; SET lock_timeout = '20s'; SET idle_in_transaction_session_timeout = '10s'";

/// One connection and its prepared statements.
pub(super) struct Connection {
    pub(super) client: Client,
    statements: HashMap<String, Statement>,
}

impl Connection {
    /// Returns the prepared form of a statement.
    pub(super) async fn prepare(&mut self, sql: &str) -> Result<Statement, tokio_postgres::Error> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        if self.statements.len() >= STATEMENTS_MAX {
            self.statements.clear();
        }
        let statement = self.client.prepare(sql).await?;
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }
}

/// Makes connections.
#[derive(Clone)]
pub(super) struct Connector {
    config: Config,
    tls: Option<MakeRustlsConnect>,
}

impl Connector {
    pub(super) fn new(url: &str) -> Result<Connector, StorageError> {
        let (url, wish) = tls::split_settings(url);
        // The error does not repeat the URL, which may hold a password.
        let mut config: Config = url.parse().map_err(|error| failed("read database URL", &error))?;
        config.ssl_mode(if wish.wanted {
            tokio_postgres::config::SslMode::Require
        } else {
            tokio_postgres::config::SslMode::Disable
        });
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(Duration::from_secs(5));
        }
        config.keepalives_idle(Duration::from_secs(10)).application_name("kplex");
        let tls = if wish.wanted { Some(tls::connector(&wish)?) } else { None };
        Ok(Connector { config, tls })
    }

    pub(super) async fn connect(&self) -> Result<Connection, StorageError> {
        let connecting = |error| failed("connect to the database", &error);
        let client = match &self.tls {
            None => {
                let (client, connection) = self.config.connect(NoTls).await.map_err(connecting)?;
                tokio::spawn(drive(connection));
                client
            }
            Some(tls) => {
                let (client, connection) = self.config.connect(tls.clone()).await.map_err(connecting)?;
                tokio::spawn(drive(connection));
                client
            }
        };
        client.batch_execute(SESSION).await.map_err(|error| failed("prepare session", &error))?;
        Ok(Connection { client, statements: HashMap::new() })
    }
}

/// Moves a connection's bytes. Ends when its client is dropped; errors reach the client's callers.
async fn drive(connection: impl Future<Output = Result<(), tokio_postgres::Error>>) {
    if let Err(error) = connection.await {
        tracing::debug!(%error, "database connection ended");
    }
}

/// The connections that reads share.
pub(super) struct Readers {
    connector: Connector,
    idle: Mutex<Vec<Connection>>,
    permits: Semaphore,
}

/// A connection that is in use. Unless it is given back, it is closed.
pub(super) struct Reader<'a> {
    readers: &'a Readers,
    connection: Connection,
    _permit: SemaphorePermit<'a>,
}

impl Readers {
    pub(super) fn new(connector: Connector) -> Readers {
        Readers { connector, idle: Mutex::default(), permits: Semaphore::new(READERS) }
    }

    pub(super) async fn take(&self) -> Result<Reader<'_>, StorageError> {
        let closed = |_| StorageError::Unavailable("the store is closed".to_owned());
        let permit = self.permits.acquire().await.map_err(closed)?;
        let idle = self.idle.lock().pop().filter(|connection| !connection.client.is_closed());
        let connection = match idle {
            Some(connection) => connection,
            None => self.connector.connect().await?,
        };
        Ok(Reader { readers: self, connection, _permit: permit })
    }

    /// Runs a read. A read that fails or is cancelled takes its connection with it.
    pub(super) async fn read<T>(
        &self,
        read: impl AsyncFnOnce(&mut Connection) -> Result<T, ReadError>,
    ) -> Result<T, StorageError> {
        let mut reader = self.take().await?;
        let value = read(&mut reader.connection).await.map_err(ReadError::into_storage)?;
        reader.give_back();
        Ok(value)
    }

    pub(super) fn close(&self) {
        self.permits.close();
        self.idle.lock().clear();
    }
}

impl Reader<'_> {
    pub(super) fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    pub(super) fn give_back(self) {
        self.readers.idle.lock().push(self.connection);
    }
}
