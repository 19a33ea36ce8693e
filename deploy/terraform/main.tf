# One instance for both stores: Perdure's database and Temporal's two. What is in it can be put back
# to any second of the last seven days, both stores to the same one.

resource "google_sql_database_instance" "perdure" {
  project             = var.project
  region              = var.region
  name                = var.name
  database_version    = var.database_version
  deletion_protection = true

  settings {
    tier                        = var.tier
    edition                     = "ENTERPRISE"
    availability_type           = "REGIONAL"
    deletion_protection_enabled = true

    disk_type       = "PD_SSD"
    disk_size       = 100
    disk_autoresize = true

    backup_configuration {
      enabled                        = true
      start_time                     = "02:00"
      point_in_time_recovery_enabled = true
      transaction_log_retention_days = 7

      # A second of the first of seven days is reached from the backup before it.
      backup_retention_settings {
        retained_backups = 8
        retention_unit   = "COUNT"
      }
    }

    # All pools together stay below: tests/unit/deploy/test_connections.py adds them up.
    database_flags {
      name  = "max_connections"
      value = "200"
    }

    ip_configuration {
      ipv4_enabled    = false
      private_network = var.network
      ssl_mode        = "ENCRYPTED_ONLY"
    }

    maintenance_window {
      day          = 7
      hour         = 4
      update_track = "stable"
    }

    insights_config {
      query_insights_enabled = true
    }
  }

  depends_on = [google_service_networking_connection.private]

  lifecycle {
    prevent_destroy = true
    # It grows by itself, and is never to be made smaller.
    ignore_changes = [settings[0].disk_size]
  }
}

resource "google_compute_global_address" "private" {
  project       = var.project
  name          = "${var.name}-database"
  purpose       = "VPC_PEERING"
  address_type  = "INTERNAL"
  prefix_length = 20
  network       = var.network
}

resource "google_service_networking_connection" "private" {
  network                 = var.network
  service                 = "servicenetworking.googleapis.com"
  reserved_peering_ranges = [google_compute_global_address.private.name]
}

resource "google_sql_database" "perdure" {
  project         = var.project
  instance        = google_sql_database_instance.perdure.name
  name            = "perdure"
  charset         = "UTF8"
  deletion_policy = "ABANDON"
}

data "google_secret_manager_secret_version" "password" {
  for_each = var.passwords
  project  = var.project
  secret   = each.value
}

# Temporal's own databases are made by its chart's schema job.
resource "google_sql_user" "user" {
  for_each        = var.passwords
  project         = var.project
  instance        = google_sql_database_instance.perdure.name
  name            = each.key
  password        = data.google_secret_manager_secret_version.password[each.key].secret_data
  deletion_policy = "ABANDON"
}
