"""The jobs of a shop: when they run, how long that takes, and how they fail."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

MAIL = "ConnectionRefusedError: [Errno 111] smtp.shop.example:587 refused the connection"
PAYMENTS = "PaymentsUnavailable: the payment provider answered 503 (request 4c1f)"
LOCKED = "psycopg.errors.LockNotAvailable: canceling statement due to lock timeout"
WAREHOUSE = "TimeoutError: the warehouse did not answer within 10 s"
PARTNER = "HTTPStatusError: 502 Bad Gateway from https://feeds.partner.example/v2/prices"
CHECKSUM = "ChecksumMismatch: 3 of 412 files differ from their manifest"


@dataclass(frozen=True, slots=True)
class Sample:
    """typical_s: what a run takes, its median. failing: share of runs that fail. streak: how many of the last ones failed, one after
    the other. days: of history that is kept. grows: share by which it became slower over the time. options: of the decorator."""

    name: str
    schedule: str
    handler: str
    description: str
    typical_s: float
    timezone: str = "UTC"
    tags: tuple[str, ...] = ()
    owner: str = "platform"
    error: str = LOCKED
    failing: float = 0.004
    streak: int = 0
    days: float = 91
    grows: float = 0.0
    attempts: int = 1
    is_locked: bool = False
    options: dict[str, Any] = field(default_factory=dict)


BERLIN, NEW_YORK, TOKYO = "Europe/Berlin", "America/New_York", "Asia/Tokyo"
_S = Sample

SAMPLES = (
    # Finance
    _S("nightly-close", "0 3 * * *", "shop.finance:close_day", "Books the day's sales and closes the ledger", 214, BERLIN, ("finance", "critical"), "finance", grows=0.5, is_locked=True),
    _S("send-invoices", "*/15 7-20 * * *", "shop.finance:send_invoices", "Sends the invoices of orders that were shipped", 11, BERLIN, ("finance", "mail"), "finance", MAIL, 0.01, streak=4, attempts=3, options={"max_consecutive_failures": 20}),
    _S("settle-payments", "*/10 * * * *", "shop.finance:settle_payments", "Settles captured payments with the provider", 6.5, tags=("finance", "critical"), owner="finance", error=PAYMENTS, failing=0.012, days=30, attempts=3),
    _S("dunning-letters", "0 9 * * mon,thu", "shop.finance:dunning", "Reminds of invoices that are overdue", 48, BERLIN, ("finance", "mail"), "finance", MAIL),
    _S("exchange-rates", "15 16 * * mon-fri", "shop.finance:exchange_rates", "Reference rates of the central bank", 2.1, BERLIN, ("finance",), "finance", PARTNER, 0.03, attempts=5),
    _S("vat-report", "0 6 10 * *", "shop.finance:vat_report", "The month's VAT, for the tax office", 95, BERLIN, ("finance", "legal"), "finance", is_locked=True),
    _S("payout-marketplace", "0 5 * * tue", "shop.finance:payouts", "Pays the sellers of the marketplace", 156, BERLIN, ("finance", "critical"), "finance", PAYMENTS, 0.02),
    _S("reconcile-bank", "30 8 * * mon-fri", "shop.finance:reconcile", "Matches bank statements with payments", 37, BERLIN, ("finance",), "finance"),
    # Orders and stock
    _S("sync-stock", "*/2 * * * *", "shop.stock:sync", "Stock levels from the warehouse", 3.2, tags=("stock", "critical"), owner="logistics", error=WAREHOUSE, failing=0.015, days=14, attempts=2),
    _S("release-reservations", "* * * * *", "shop.stock:release", "Gives back what carts held for too long", 0.24, tags=("stock",), owner="logistics", days=7),
    _S("reorder-proposals", "0 5 * * mon-fri", "shop.stock:reorder", "What should be ordered from suppliers", 64, BERLIN, ("stock",), "logistics"),
    _S("import-deliveries", "5,35 6-18 * * mon-sat", "shop.stock:import_deliveries", "Delivery notes of suppliers", 17, BERLIN, ("stock",), "logistics", WAREHOUSE, 0.01),
    _S("stocktake-plan", "0 4 1 */3 *", "shop.stock:stocktake", "Which shelves are counted this quarter", 130, BERLIN, ("stock",), "logistics"),
    _S("label-batch", "*/20 6-22 * * *", "shop.shipping:labels", "Prints labels for what was packed", 8, BERLIN, ("shipping",), "logistics", failing=0.006, days=45),
    _S("carrier-tracking", "@every 5m", "shop.shipping:tracking", "Where parcels are, from five carriers", 21, tags=("shipping",), owner="logistics", error=PARTNER, failing=0.02, days=21, attempts=2),
    _S("late-parcels", "0 10 * * *", "shop.shipping:late_parcels", "Tells customers of parcels that are late", 14, BERLIN, ("shipping", "mail"), "logistics", MAIL),
    _S("returns-refunds", "*/30 * * * *", "shop.orders:refund_returns", "Refunds returns that were checked", 9, tags=("orders", "finance"), owner="orders", error=PAYMENTS, failing=0.01, days=45, attempts=3),
    _S("cancel-unpaid", "0 * * * *", "shop.orders:cancel_unpaid", "Cancels orders that nobody paid for three days", 4.4, tags=("orders",), owner="orders"),
    _S("archive-orders", "20 1 * * *", "shop.orders:archive", "Moves orders older than ten years to the archive", 322, tags=("orders", "retention"), owner="orders", grows=0.35),
    _S("fraud-scoring", "*/5 * * * *", "shop.orders:fraud", "Scores new orders with the fraud model", 12, tags=("orders", "critical"), owner="risk", failing=0.006, days=21, options={"slow_after": 60.0}),
    _S("purge-carts", "40 * * * *", "shop.orders:purge_carts", "Deletes carts that were left a month ago", 5.8, tags=("orders", "retention"), owner="orders"),
    _S("subscription-renewals", "0 0 * * *", "shop.orders:renew", "Renews subscriptions that end today", 88, BERLIN, ("orders", "critical"), "orders", PAYMENTS, 0.01, attempts=3),
    # Catalogue and search
    _S("rebuild-search", "30 2 * * mon-fri", "shop.search:rebuild", "Builds the index of products anew", 640, NEW_YORK, ("search",), "search", grows=0.8),
    _S("search-synonyms", "0 12 * * wed", "shop.search:synonyms", "Learns synonyms from searches without a hit", 75, tags=("search",), owner="search"),
    _S("index-changes", "*/3 * * * *", "shop.search:index_changes", "Products that changed, into the index", 2.8, tags=("search",), owner="search", failing=0.003, days=10),
    _S("price-feed", "10 */2 * * *", "shop.catalogue:price_feed", "Prices of the competition", 54, tags=("catalogue",), owner="pricing", error=PARTNER, failing=0.04, attempts=2),
    _S("reprice", "25 */2 * * *", "shop.catalogue:reprice", "New prices by rules and feeds", 31, tags=("catalogue",), owner="pricing"),
    _S("image-thumbnails", "*/10 * * * *", "shop.catalogue:thumbnails", "Thumbnails of pictures that were uploaded", 19, tags=("catalogue",), owner="catalogue", failing=0.008, days=30, options={"memory_limit": 512}),
    _S("translate-texts", "0 22 * * *", "shop.catalogue:translate", "Translations of new descriptions", 410, tags=("catalogue",), owner="catalogue", error=PARTNER, failing=0.03),
    _S("dead-links", "0 14 * * sun", "shop.catalogue:dead_links", "Links of the catalogue that lead nowhere", 780, tags=("catalogue",), owner="catalogue"),
    _S("google-feed", "0 4,16 * * *", "shop.marketing:google_feed", "The catalogue, for Google Shopping", 118, tags=("marketing", "catalogue"), owner="marketing"),
    _S("sitemap", "50 3 * * *", "shop.marketing:sitemap", "The site's map, for search engines", 26, tags=("marketing",), owner="marketing"),
    # Marketing and mail
    _S("newsletter", "0 8 * * tue,fri", "shop.marketing:newsletter", "The newsletter, in the reader's language", 530, BERLIN, ("marketing", "mail"), "marketing", MAIL, 0.02),
    _S("abandoned-carts", "*/30 8-22 * * *", "shop.marketing:abandoned_carts", "Reminds of carts that were left", 7, BERLIN, ("marketing", "mail"), "marketing", MAIL, 0.01, streak=2, days=45, options={"max_consecutive_failures": 20}),
    _S("mail-bounces", "*/5 * * * *", "shop.mail:bounces", "Addresses that don't exist any more", 1.3, tags=("mail",), owner="marketing", days=14),
    _S("birthday-vouchers", "0 7 * * *", "shop.marketing:birthdays", "A voucher for everybody whose birthday it is", 22, BERLIN, ("marketing", "mail"), "marketing", MAIL),
    _S("segment-customers", "15 2 * * sun", "shop.marketing:segments", "Segments of customers, from a year of orders", 940, tags=("marketing",), owner="data", grows=0.4),
    # Reports and data
    _S("daily-report", "0 7 * * mon-fri", "shop.reports:daily", "Yesterday in figures, by mail", 41, BERLIN, ("reports", "mail"), "data", MAIL),
    _S("weekly-report", "0 7 * * mon", "shop.reports:weekly", "The week in figures", 97, BERLIN, ("reports",), "data"),
    _S("board-report", "0 6 1 * *", "shop.reports:board", "The month, for the board", 260, BERLIN, ("reports",), "data", is_locked=True),
    _S("warehouse-load", "0 * * * *", "shop.data:load", "New rows into the data warehouse", 143, tags=("data",), owner="data", failing=0.01, attempts=2, grows=0.25),
    _S("refresh-views", "*/30 * * * *", "shop.data:refresh_views", "Refreshes materialized views", 28, tags=("data",), owner="data", days=45),
    _S("train-recommender", "0 1 * * sat", "shop.data:train", "Trains the recommendations", 2900, tags=("data",), owner="data", error="MemoryError: the run took more than its 8192 MiB", failing=0.1, options={"runs_alone": True}),
    _S("export-bi", "45 5 * * *", "shop.data:export_bi", "An extract for the BI tool", 66, BERLIN, ("data",), "data"),
    _S("data-quality", "0 6 * * *", "shop.data:quality", "Rows that can't be right", 34, tags=("data",), owner="data", error="QualityError: 17 orders have no customer", failing=0.06, streak=1),
    # Legal and security
    _S("gdpr-export", "0 4 * * *", "shop.legal:export", "Data that customers asked for", 18, BERLIN, ("legal",), "legal", is_locked=True),
    _S("gdpr-erase", "30 4 * * *", "shop.legal:erase", "Erases customers who asked for it", 23, BERLIN, ("legal", "retention"), "legal", is_locked=True, options={"transactional": False}),
    _S("two-factor-token-cleanup", "0 */6 * * *", "shop.security:tokens", "Deletes two-factor tokens that have expired", 0.9, tags=("security", "retention"), is_locked=True),
    _S("rotate-keys", "0 3 1 * *", "shop.security:rotate", "New keys for signed links", 3.5, tags=("security",), is_locked=True),
    _S("login-anomalies", "*/15 * * * *", "shop.security:anomalies", "Sign-ins that look odd", 16, tags=("security",), owner="risk", failing=0.004, days=30),
    _S("blocklist", "5 */4 * * *", "shop.security:blocklist", "Addresses that misbehave elsewhere", 4.7, tags=("security",), owner="risk", error=PARTNER, failing=0.03, attempts=3),
    # Operations
    _S("backup-check", "0 5 * * *", "shop.ops:backup_check", "Restores last night's backup and counts", 485, tags=("ops", "critical"), error=CHECKSUM, failing=0.02, options={"must_succeed_every": 2 * 86400.0}),
    _S("vacuum-hot-tables", "10 3 * * *", "shop.ops:vacuum", "VACUUM of the three busiest tables", 71, tags=("ops",)),
    _S("partition-maintenance", "0 0 25 * *", "shop.ops:partitions", "Next month's partitions", 1.8, tags=("ops",)),
    _S("certificate-expiry", "0 8 * * *", "shop.ops:certificates", "Certificates that end within a month", 6.2, tags=("ops", "security")),
    _S("log-rotation", "0 0 * * *", "shop.ops:logs", "Compresses logs, deletes old ones", 13, tags=("ops", "retention")),
    _S("queue-depths", "*/5 * * * *", "shop.ops:queue_depths", "How long the queues of the shop are", 0.35, tags=("ops",), days=14),
    _S("heartbeat", "@every 60s", "shop.ops:heartbeat", "Tells the outside watch that we live", 0.12, tags=("ops",), days=7),
    _S("tokyo-opening", "30 8 * * mon-fri", "shop.regions:open_tokyo", "Opens the Japanese shop's day", 12, TOKYO, ("regions",), "regions"),
    _S("new-york-closing", "0 18 * * mon-fri", "shop.regions:close_new_york", "Closes the American shop's day", 20, NEW_YORK, ("regions",), "regions", streak=3, error=LOCKED),
)  # fmt: skip
