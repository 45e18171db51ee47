//! An artifact backend on a local folder: exclusive create, atomic publish, durable acknowledgement.
